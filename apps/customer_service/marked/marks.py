"""python3 marks.py OLD MARKS OUT: puts `line number<TAB>marked text` into OLD; names lines whose plain text differs."""
import re, sys
MARK=re.compile(r"\[([^\[\]]+)\]\(([a-z_.]+)\)")
old=[l.rstrip('\n').split('\t') for l in open(sys.argv[1],encoding='utf-8')]
bad=0
for l in open(sys.argv[2],encoding='utf-8'):
    if not l.strip(): continue
    n,t=l.rstrip('\n').split('\t'); n=int(n)
    if MARK.sub(r"\1",t)!=old[n-1][1]:
        bad+=1; print(n,'differs:',MARK.sub(r"\1",t)[:80],'|',old[n-1][1][:80])
    else: old[n-1][1]=t
open(sys.argv[3],'w',encoding='utf-8').write(''.join('\t'.join(r)+'\n' for r in old)); print('bad',bad)
