import re, sys, collections
INTENTS=set("cancel_order change_address change_order damaged_item delete_account delivery_options double_charge exchange_item gift_card invoice login_problem missing_item order_status payment_failed payment_methods product_availability product_question promo_code refund_status return_item speak_to_person store_info warranty wrong_item complaint affirm deny greeting thanks oos".split())
SLOTS=set("order_number product date address amount email".split())
MARK=re.compile(r"\[([^\[\]]+)\]\(([a-z_.]+)\)")
seen={}; bad=0
for f in sys.argv[1:]:
    c=collections.Counter(); slots=collections.Counter()
    for n,l in enumerate(open(f,encoding='utf-8'),1):
        l=l.rstrip('\n')
        if not l.strip(): continue
        parts=l.split('\t')
        def err(m):
            global bad; bad+=1; print(f"{f}:{n}: {m}: {l[:100]}")
        if len(parts) not in (2,4): err('needs 2 or 4 fields'); continue
        names=parts[0].split('+')
        if set(names)-INTENTS: err('unknown intent'); continue
        text=parts[-1]
        for v,s in MARK.findall(text):
            slot=s.split('.')[-1]; slots[slot]+=1
            if slot not in SLOTS: err('unknown slot '+s)
            if len(names)>1 and s.split('.')[0] not in names: err('slot without its request '+s)
            if len(names)==1 and '.' in s: err('request named in a single one')
            if v!=v.strip(): err('blank in mark')
            if slot=='order_number' and not re.fullmatch(r"(?i)(mf-?)?\d{5}",v): err('order number '+v)
            if slot=='email' and not v.endswith('.example'): err('email '+v)
        plain=MARK.sub(r"\1",text)
        if re.search(r"[\[\]]|\]\(",plain): err('stray mark')
        if len(names)>1 and len(re.findall(r" \| ",text))!=len(names)-1: err('needs one " | " between requests')
        if len(names)==1 and ' | ' in text: err('| in a single one')
        for num in re.findall(r"(?<![\w£.,])(?:MF-)?\d{5}(?![\w.,])",plain):
            if not any(num in v for v,_ in MARK.findall(text)): err('unmarked number '+num)
        key=re.sub(r"\W+"," ",plain.casefold()).strip()
        if len(parts)==2:
            if key in seen: err('same text as '+seen[key])
            seen[key]=f"{f}:{n}"
        c['+'.join(names) if len(names)==1 else 'several']+=1
    print(f, sum(c.values()), dict(c)); print('   slots', dict(slots))
print('bad', bad); sys.exit(bool(bad))
