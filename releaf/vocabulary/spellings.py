"""Spellings, irregular plurals, and words that do not change the bin of an item."""

from __future__ import annotations

from releaf.vocabulary import words

SPELLINGS = dict(
    pair.split(":")
    for pair in words("""
    aerosole:aerosol alu:aluminum aluminium:aluminum armour:armor axe:ax barbecue:bbq barbeque:bbq
    barbie:barbie batterie:battery bakelite:plastic bandaid:bandage biscuit:cookie calibre:caliber
    carburettor:carburetor catalogue:catalog cellphone:cellphone centre:center cheque:check colour:color
    coloured:colored cosy:cozy crisp:chip demijohn:carboy draught:draft doughnut:donut eiderdown:duvet
    faeces:feces fibre:fiber fibreglass:fiberglass florescent:fluorescent flourescent:fluorescent
    fluorescents:fluorescent flavour:flavor grey:gray hankie:handkerchief homoeopathic:homeopathic
    jewellery:jewelry jewelery:jewelry kerb:curb kerosine:kerosene licence:license linoleum:linoleum
    litre:liter lightbulb:bulb lino:linoleum mould:mold moulded:molded moustache:mustache mum:mom
    nappie:nappy odour:odor organisation:organization paediatric:pediatric pizzabox:pizza-box plough:plow
    polyethene:polyethylene polythene:polyethylene pyjama:pajama sulphuric:sulfuric sulphur:sulfur
    telly:tv theatre:theater tinfoil:tin-foil tyre:tire vapour:vapor vaporiser:vaporizer
    vapouriser:vaporizer veg:vegetable veggie:vegetable vehical:vehicle whisky:whiskey woollen:wool
    woolen:wool wooden:wood xmas:christmas yoghourt:yogurt yoghurt:yogurt yogourt:yogurt yoghert:yogurt
    greasy:grease metallic:metal plasticky:plastic papery:paper tyvek:tyvek cigaret:cigarette
    cigarrete:cigarette batery:battery
    baterry:battery battey:battery batteri:battery
     battry:battery batterys:battery bateries:battery baterie:battery
    refridgerator:refrigerator refrigerater:refrigerator medecine:medicine asprin:aspirin
    vacum:vacuum vaccum:vacuum vaccuum:vacuum diper:diaper daiper:diaper propain:propane
    gasolene:gasoline amunition:ammunition thermometre:thermometer syringue:syringe pesticid:pesticide
    """)
)
"""Other spellings of a word, with the one that is used; a hyphen separates two words."""

PLURALS = dict(
    pair.split(":")
    for pair in words("""
    clothes:clothes knives:knife leaves:leaf shelves:shelf loaves:loaf scarves:scarf halves:half
    wolves:wolf calves:calf mice:mouse feet:foot teeth:tooth men:man women:woman children:child people:person
    geese:goose pants:pants trousers:trousers shorts:shorts jeans:jeans scissors:scissors tongs:tongs
    pliers:pliers binoculars:binoculars potatoes:potato tomatoes:tomato mangoes:mango shoes:shoe
    toes:toe hoes:hoe canoes:canoe heroes:hero echoes:echo torpedoes:torpedo gas:gas gases:gas
    gasses:gas bus:bus buses:bus lens:lens lenses:lens cactus:cactus cacti:cactus lotus:lotus
    series:series dies:die ties:tie pies:pie lies:lie cookies:cookie brownies:brownie smoothies:smoothie
    movies:movie selfies:selfie calories:calorie hoodies:hoodie onesies:onesie beanies:beanie
    christmas:christmas canvas:canvas atlas:atlas asbestos:asbestos news:news gasket:gasket
    aas:aa aaas:aaa axes:ax caches:cache aches:ache brushes:brush batteries:battery undies:underwear
    moulds:mold dvds:dvd cds:cd tvs:tv pcs:pc scuba:scuba bras:bra saxes:sax pizzas:pizza
    oysters:oyster tennis:tennis sharps:sharps dishes:dish glasses:glass boxes:box quizzes:quiz
    toothpastes:toothpaste doilies:doily zombies:zombie veggies:vegetable nappies:nappy birkies:sandal
    wellies:wellies freebies:freebie
    """)
)
"""Plural forms that do not follow the rules, and singular forms that look like plurals."""

FILLERS = frozenset(
    words("""
    a an the my our your his her their its some any this these those few lot lots bunch pile bit piece pieces
    of old used new broken dirty clean cleaned unclean empty emptied full partially partly half mostly nearly
    almost still very really just only leftover left over remaining unused unwanted expired outdated date
    out dead worn torn ripped cracked damaged chipped shattered smashed faulty defective busted rusty bent
    disposable single use one time reusable plain normal regular ordinary standard typical household
    domestic home everyday big large huge small little tiny mini medium size sized giant long short thin
    thick red blue green yellow black white gray brown pink purple orange clear transparent colored
    rinsed washed unwashed wet dry dried moldy rotten stale spoiled spilled soiled stained dusty greasy
    grease oily sticky cheap expensive vintage antique modern electric electronic electrical digital
    automatic cordless portable foldable folding fancy favorite kids kid child baby adult mens womens
    lady ladies gents man woman person mom dad grandma granny grandpa generic cold hot warm frozen fresh
    raw cooked opened unopened sealed crushed flattened flat folded rolled crumpled shiny matte round
    square natural organic real genuine fake artificial type kind sort stuff something item items
    pair set pack couple box-of several many much too no longer working non functional
    autumn summer winter spring fallen lit never unlit loose assorted various cut chopped office school
    kitchen bathroom garden my-own two three four five six ten dozen plus extra spare second hand store
    bought homemade brand named is are was were be been it im i we has have had that which s
    smelly nasty gross foreign house wall bedroom hotel rusted bulky intact
    unbroken undamaged offcut remnant completely fully entirely totally
    inside got get gone filled bad good nice great actual whole entire couple kinda maybe also today stinky
    """)
)
"""Words that describe the state or size of an item, but not what it is."""

NAME_FILLERS = frozenset(
    words("""
    disposable single use household domestic used old other clear transparent all type clean
    """)
)
"""Those of them that do not distinguish two names of a list."""
