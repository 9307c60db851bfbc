"""Marked lines -> rows of calls. Run once; the rows are what is kept."""
import json, re, sys, collections
from pathlib import Path
D=Path('/tmp/h/deskdata'); OUT=Path('/tmp/h/desk/apps/customer_service/understand')
MARK=re.compile(r"\[([^\[\]]+)\]\(([a-z_.]+)\)")
DIALOG={"greeting":{"hello","hi there","bonjour ca va","guten tag","hola","merhaba","hi","hey","good morning"}}
SLOTS=["order_number","product","date","address","amount","email"]
def row(line):
    parts=line.rstrip('\n').split('\t'); names=parts[0].split('+'); marked=parts[-1]
    if len(names)>1: marked=re.sub(r" \| "," ",marked)
    text='';last=0;spans=[]
    for m in MARK.finditer(marked):
        text+=marked[last:m.start()]; spans.append((len(text),len(text)+len(m[1]),m[2])); text+=m[1]; last=m.end()
    text+=marked[last:]
    if names==['oos']: return {"text":text,"calls":[]}
    calls=[]
    for n in names:
        args={}
        for a,b,s in spans:
            owner,slot=(s.split('.') if '.' in s else (n,s))
            if owner==n: args.setdefault(slot,[]).append(text[a:b])
        calls.append({"name":n,"arguments":args})
    return {"text":text,"calls":calls}
parts={"train":["old_train_marked.txt","new_train_a.txt","new_train_b.txt","train_dialog.txt","train_oos.txt","train_several.txt"],"test":["old_test_marked.txt","new_test.txt","test_oos.txt","test_several.txt"]}
used=collections.defaultdict(set)
for part,files in parts.items():
    rows=[row(l) for f in files for l in open(D/f,encoding='utf-8') if l.strip()]
    for r in rows:
        for c in r["calls"]: used[c["name"]]|=set(c["arguments"])
    (OUT/f"{part}.jsonl").write_text(''.join(json.dumps(r,ensure_ascii=False)+'\n' for r in rows),encoding='utf-8')
    print(part,len(rows),collections.Counter(len(r["calls"]) for r in rows))
fs=[{"type":"function","function":{"name":n,"parameters":{"type":"object","properties":{s:{"type":"array","items":{"type":"string"}} for s in SLOTS if s in used[n]}}}} for n in sorted(used)]
(OUT/"functions.json").write_text(json.dumps(fs,indent=1)+"\n")
print({n:sorted(v) for n,v in used.items()})
