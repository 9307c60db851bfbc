"""What the invented shop sells: the names, colors, sizes and prices that `sample` draws from."""

from __future__ import annotations

from dataclasses import dataclass

LETTERS = ("XS", "S", "M", "L", "XL", "XXL")
WOMEN = ("6", "8", "10", "12", "14", "16", "18", "20", "22")
SHOES = ("36", "37", "38", "39", "40", "41", "42", "43", "44", "45")
CHILDREN = ("2-3", "4-5", "6-7", "8-9", "10-12")
BEDS = ("single", "double", "king")
CLOTHES = ("black", "navy", "grey", "cream", "dark green", "burgundy", "blue", "rust", "white")
LEATHER = ("black", "brown", "tan", "white", "navy")
HOME = ("white", "cream", "grey", "sage", "navy", "terracotta", "mustard", "charcoal")
DEVICES = ("black", "white", "silver", "red", "blue", "mint")
WOODS = ("oak", "walnut", "white", "black")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of product. makes: what stands before its noun, one product each; price: from, to."""

    noun: str
    category: str
    makes: tuple[str, ...]
    price: tuple[int, int]
    colors: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    returnable: bool = True
    large: bool = False
    electronic: bool = False


def _kinds(category: str, colors: tuple[str, ...], sizes: tuple[str, ...], rows: str) -> list[Kind]:
    """One a line: noun | from-to | makes, ; between."""
    kinds = []
    for line in rows.strip().splitlines():
        noun, price, makes = (part.strip() for part in line.split("|"))
        low, high = (int(part) for part in price.split("-"))
        several = tuple(make.strip() for make in makes.split(";"))
        electronic, large = category == "electronics", category == "furniture"
        returnable = noun not in ("curtain fabric", "in-ear headphones", "briefs", "stud earrings")
        kinds.append(
            Kind(noun, category, several, (low, high), colors, sizes, returnable, large, electronic)
        )
    return kinds


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _parts(text: str) -> tuple[str, ...]:
    """What stands between the semicolons."""
    return tuple(" ".join(part.split()) for part in text.split(";"))


KINDS: tuple[Kind, ...] = (
    *_kinds("clothes", CLOTHES, LETTERS, """
        jumper | 35-75 | lambswool; cable-knit; merino; cotton; roll-neck; Fair Isle; cashmere
        cardigan | 39-85 | chunky; merino; longline; cotton
        T-shirt | 12-28 | organic cotton; striped; V-neck; long-sleeved; heavyweight; linen
        hoodie | 32-55 | zip-up; fleece; brushed cotton; oversized
        sweatshirt | 28-48 | raglan; crew-neck; relaxed
        shirt | 29-59 | Oxford; linen; flannel; denim; checked; poplin; cord
        polo shirt | 24-42 | pique; knitted
        jacket | 69-159 | denim; quilted; waxed; rain; bomber; cord
        coat | 99-229 | wool; duffle; trench; padded; pea; wrap
        parka | 119-189 | hooded; lightweight
        gilet | 45-79 | down; quilted; fleece
        pyjamas | 29-55 | flannel; satin; jersey
        dressing gown | 39-69 | waffle; towelling; fleece
        joggers | 28-48 | tapered; fleece-lined
        shorts | 22-42 | chino; running; linen
        swim shorts | 20-34 | quick-dry
        briefs | 12-24 | cotton three-pack
        base layer | 25-45 | merino; thermal
    """),
    *_kinds("clothes", CLOTHES, WOMEN, """
        dress | 39-119 | linen; wrap; midi; jersey; shirt; pleated; knitted; maxi; velvet
        skirt | 29-69 | pleated; denim; A-line; cord
        blouse | 29-65 | silk; pussy-bow; cotton; puff-sleeve
        trousers | 35-79 | wide-leg; tailored; linen; chino; cord
        jeans | 45-89 | straight; skinny; mom; bootcut; barrel
        leggings | 18-39 | seamless; high-waisted
        swimsuit | 29-55 | ribbed; sporty
        jumpsuit | 49-95 | utility; linen
    """),
    *_kinds("children", ("navy", "red", "yellow", "green", "pink"), CHILDREN, """
        raincoat | 24-39 | children's
        dungarees | 22-36 | children's cord; children's denim
        pyjamas | 14-24 | dinosaur; stars
        school jumper | 12-18 | V-neck
        snowsuit | 45-69 | toddler
        T-shirt | 8-14 | children's striped
    """),
    *_kinds("shoes", LEATHER, SHOES, """
        trainers | 49-109 | canvas; running; leather; retro; trail; slip-on; high-top
        ankle boots | 69-139 | suede; leather; zip; heeled; waterproof
        boots | 79-169 | Chelsea; walking; lace-up; knee-high
        wellies | 29-59 | tall; short
        sandals | 29-69 | cork; strappy; walking
        loafers | 55-99 | penny; suede; tassel
        brogues | 69-129 | leather; two-tone
        slippers | 19-45 | sheepskin; felt; moccasin
        ballet flats | 35-65 | leather; pointed
    """),
    *_kinds("accessories", CLOTHES, (), """
        scarf | 18-55 | cashmere; lambswool; checked; silk
        beanie | 12-28 | ribbed; cashmere; bobble
        gloves | 15-45 | leather; touchscreen; fleece
        belt | 19-39 | leather; woven
        backpack | 39-89 | rolltop; canvas; laptop; children's
        tote bag | 15-45 | canvas; leather; shopper
        crossbody bag | 35-79 | leather; quilted
        wallet | 19-45 | slim; zip
        umbrella | 15-35 | folding; walking
        socks | 6-18 | wool; bamboo; walking; bed; cashmere
        stud earrings | 15-39 | silver; pearl
        weekend bag | 59-129 | canvas; leather
    """),
    *_kinds("home", HOME, (), """
        cushion | 15-39 | velvet; linen; wool; embroidered; bouclé; outdoor
        throw | 29-79 | wool; cotton; faux fur; waffle
        mug set | 14-29 | stoneware; porcelain; enamel; espresso
        dinner set | 45-99 | stoneware; porcelain
        vase | 14-49 | ceramic; glass; bud; stoneware
        candle | 9-29 | soy; beeswax; pillar; scented; citronella
        towel bale | 25-59 | Egyptian cotton; bamboo; waffle
        bath mat | 14-29 | cotton; bamboo
        rug | 49-189 | wool; jute; washable; runner; sheepskin
        table lamp | 29-79 | ceramic; touch; brass; rattan; mushroom
        casserole dish | 29-89 | cast-iron; stoneware
        frying pan | 24-59 | non-stick; cast-iron
        storage basket | 12-35 | seagrass; felt; rope; wire
        picture frame | 8-25 | oak; brass; walnut; gallery
        wall clock | 19-49 | station; wooden
        teapot | 18-39 | stoneware; glass
        apron | 14-29 | linen; denim
        curtain fabric | 12-29 | linen; velvet
        laundry basket | 19-45 | bamboo; wicker
        chopping board | 14-39 | acacia; bamboo
    """),
    *_kinds("home", HOME, BEDS, """
        duvet cover | 35-89 | linen; brushed cotton; percale; striped
        fitted sheet | 15-39 | percale; jersey
        duvet | 39-129 | feather; hollowfibre; wool
        blanket | 29-79 | wool; waffle
        mattress topper | 59-149 | memory foam; wool
    """),
    *_kinds("furniture", WOODS, (), """
        bookcase | 149-349 | five-shelf; ladder; low
        coffee table | 119-289 | round; nesting
        armchair | 249-549 | velvet; reading; wingback
        sofa | 499-899 | two-seater; corner
        desk | 159-379 | standing; writing
        chest of drawers | 199-429 | four-drawer; tall
        dining table | 299-649 | extending; round
        bed frame | 249-599 | slatted; upholstered
    """),
    *_kinds("electronics", DEVICES, (), """
        headphones | 49-189 | over-ear; noise-canceling; children's; folding
        in-ear headphones | 29-99 | wireless; sports
        speaker | 35-149 | Bluetooth; shower; kitchen; garden
        kettle | 29-69 | electric; gooseneck; glass; travel
        toaster | 29-69 | two-slice; four-slice
        radio | 39-119 | DAB; clock; kitchen; wind-up
        hair dryer | 25-79 | ionic; travel
        desk lamp | 25-65 | LED; clip-on
        alarm clock | 15-45 | sunrise; travel
        hand blender | 25-59 | cordless; three-speed
        power bank | 19-49 | slim; solar
        coffee grinder | 29-89 | burr; manual
        stand mixer | 129-299 | five-litre
        fan heater | 29-69 | ceramic
    """),
)  # fmt: skip

FIRST = _words(
    """
    Aisha Alice Amelia Amir Anna Arthur Bartek Beatrice Ben Bethany Callum Carys Catherine
    Chloe Clara Colin Daniel David Deepa Dorothy Dylan Edith Eleanor Elif Emily Emma Ewan
    Farah Fatima Fergus Fiona Florence Frank Freya George Georgia Grace Gwen Hamza Hannah
    Harriet Harry Heather Helen Henry Hugo Imogen Imran Iris Isaac Isla Ivy Jack Jacob James
    Jasmine Jean Joan John Joseph Julia Kamal Karen Kasia Kate Keith Kwame Laura Leah Leo
    Liam Lily Linda Lucy Luke Maeve Magda Malik Margaret Maria Mark Martha Martin Mary
    Matilda Maya Megan Mei Michael Milo Mohammed Molly Nadia Nathan Neil Niamh Nina Noah
    Nora Oliver Olivia Omar Oscar Owen Patrick Paul Peter Philippa Poppy Priya Rachel Ravi
    Rhys Robert Robin Rosa Rosie Ruth Ryan Sam Samir Sandra Sanjay Sarah Sean Sian Simon
    Sofia Sophie Stella Stephen Susan Tariq Tessa Theo Thomas Tom Tomasz Uma Vera Victor
    Victoria Violet Wendy Will Yasmin Yusuf Zara Zoe
    """
)
LAST = _words(
    """
    Abbott Ahmed Akhtar Allen Anderson Appleby Armitage Bailey Banerjee Barker Barnes Bell
    Bennett Booth Bradley Brennan Briggs Brook Brown Burns Butler Byrne Campbell Carter Chan
    Clark Cole Collins Cooper Cox Crossley Cunningham Dalton Davies Dawson Dean Dixon Doyle
    Edwards Ellis Evans Farrell Fielding Firth Fisher Fletcher Foster Fox Fraser Gallagher
    Gibson Gill Graham Grant Green Greenwood Griffiths Hall Hardcastle Harper Harris Hartley
    Haworth Hill Hirst Holmes Hughes Hunt Hussain Iqbal Jackson James Jenkins Johnson Jones
    Kaur Kelly Kemp Khan King Knight Kowalska Lambert Lee Lewis Lloyd Lowe MacDonald Marsh
    Marshall Mason Mensah Metcalfe Mills Mitchell Moore Morgan Morris Murphy Murray Nash
    Newton Nowak Nguyen Okafor Oldroyd Osei Owen Palmer Park Parker Patel Pearson Perry
    Phillips Pickles Pollard Potter Powell Price Quinn Rahman Reid Reynolds Rhodes Richards
    Roberts Robinson Rogers Ross Rowe Russell Ryan Scott Shah Sharma Shaw Simpson Singh
    Smith Spencer Stead Stewart Stone Sutcliffe Sykes Taylor Thomas Thompson Tordoff Turner
    Varley Wade Walker Ward Watson Webb West White Whitehead Wilkinson Williams Wilson Wong
    Wood Wright Young
    """
)
STREETS = _parts(
    """
    Mill Lane; High Street; Station Road; Church Street; Victoria Road; Park Avenue;
    Queen Street; Grange Road; The Crescent; Manor Road; Kirkgate; Chapel Lane;
    Albert Terrace; Beech Grove; Springfield Road; Orchard Close; Bridge Street; Moor View;
    Cemetery Road; Hawthorn Way; Windsor Drive; North Parade; School Lane; Woodhouse Street;
    Cliff Road; Ash Grove
    """
)
#: Town and the first half of its postcodes.
TOWNS = tuple(
    tuple(place.split("/"))
    for place in _parts(
        """
    Leeds/LS6; Leeds/LS2; Bradford/BD3; York/YO10; Bristol/BS6; Sheffield/S11; Hull/HU5;
    Manchester/M20; Liverpool/L17; Nottingham/NG7; Newcastle/NE4; Cardiff/CF24; Bath/BA2;
    Edinburgh/EH9; Glasgow/G12; Norwich/NR2; Exeter/EX4; Leicester/LE2; Halifax/HX1;
    Wakefield/WF1; Harrogate/HG1; London/SE15; London/N16; London/E8; Brighton/BN2;
    Oxford/OX4; Derby/DE22; Birmingham/B13; Inverness/IV2; Belfast/BT9; Swansea/SA2;
    Plymouth/PL4
    """
    )
)
#: Street, town, country as addresses name it, and its code.
ABROAD = tuple(
    tuple(place.split("/"))
    for place in _parts(
        """
    Dame Lane/Dublin 2/Ireland/IE; Rue des Lilas/31000 Toulouse/France/FR;
    Lindenstraße/50674 Köln/Germany/DE; Prinsengracht/1016 Amsterdam/Netherlands/NL;
    Calle Mayor/46001 Valencia/Spain/ES; Via Garibaldi/40124 Bologna/Italy/IT;
    Mariahilfer Straße/1060 Wien/Austria/AT; ulica Długa/31-146 Kraków/Poland/PL;
    Storgata/5003 Bergen/Norway/NO; Bahnhofstrasse/3011 Bern/Switzerland/CH
    """
    )
)
