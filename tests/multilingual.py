"""Texts in five scripts, and an encoder of XLM-R's kind that has read nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

#: By language, by label: words that tell it. Chinese is written without spaces.
WORDS = {
    "en": {"cancel": ["cancel", "revoke", "withdraw"], "refund": ["refund", "money", "repay"]},
    "ru": {"cancel": ["отменить", "отозвать", "снять"], "refund": ["возврат", "деньги", "вернуть"]},
    "ar": {"cancel": ["إلغاء", "أوقف", "ألغيت"], "refund": ["استرداد", "نقودي", "إرجاع"]},
    "hi": {"cancel": ["रद्द", "निरस्त", "रोकें"], "refund": ["वापसी", "पैसे", "लौटाएं"]},
    "zh": {"cancel": ["取消", "撤销", "停止"], "refund": ["退款", "还钱", "返还"]},
}
_COMMON = {
    "en": "please my the where is i want to and now order today again with this it for",
    "ru": "пожалуйста мой где я хочу и сейчас заказ сегодня снова это для нам вчера очень",
    "ar": "من فضلك طلبي أين أنا أريد الآن اليوم مرة أخرى هذا في أمس جدا لكن",
    "hi": "कृपया मेरा कहाँ मैं चाहता और अभी ऑर्डर आज फिर यह के लिए कल बहुत",
    "zh": "请 我的 哪里 我 想要 和 现在 订单 今天 再次 这个 昨天 非常 但是 我们",
}
COMMON = {language: words.split() for language, words in _COMMON.items()}


def written(count: int, seed: int) -> list[tuple[str, str]]:
    """`count` texts of each language and label."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        for language, by_label in WORDS.items():
            for label, own in by_label.items():
                words = rng.sample(own, 2) + rng.sample(COMMON[language], rng.randint(4, 8))
                rng.shuffle(words)
                found.append((("" if language == "zh" else " ").join(words), label))
    return found


def unigram(texts: list[str]) -> Any:
    """A tokenizer as XLM-R's: SentencePiece's Unigram, special tokens first."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=900, special_tokens=[*special, "<mask>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def xlm_r_folder(folder: Path, texts: list[str]) -> Path:
    """config.json, model.safetensors, tokenizer.json: random weights, 3 layers, 32 wide."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = unigram(texts)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        initializer_range=0.1,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos": "<s>", "eos": "</s>", "sep": "</s>", "cls": "<s>", "unk": "<unk>"}
    names |= {"pad": "<pad>", "mask": "<mask>"}
    settings = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 64}
    settings |= {f"{key}_token": token for key, token in names.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
