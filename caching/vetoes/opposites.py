"""The table of opposites that antonyms.py reads.

Opposites by prefix or ending (legal, illegal; useful, useless) are negation.py's: there "not legal" is "illegal".
"""

from __future__ import annotations

# One pair of opposites a line; several words on one side mean the same. Verbs are inflected below.
VERBS = """
enable activate turn_on switch_on unmute | disable deactivate turn_off switch_off mute
allow permit | forbid prohibit disallow ban deny prevent
open | close shut
increase raise gain maximize maximise boost | decrease reduce lower lose minimize minimise
import | export
buy purchase | sell
upload | download
add insert | remove delete subtract
install | uninstall
subscribe | unsubscribe
follow | unfollow
block | unblock
lock | unlock
encrypt | decrypt
encode | decode
compress zip | decompress unzip extract
connect | disconnect
attach | detach
mount | unmount
start begin launch | stop end finish quit
win | lose
send | receive
lend | borrow
deposit | withdraw
push | pull
show display | hide conceal
expand | collapse
merge | split
join | leave
accept approve | reject decline refuse
love like | hate dislike
create build | destroy
save | spend
save | discard
pass | fail
succeed | fail
attack | defend
arrive | depart
hire employ | fire dismiss
marry | divorce
rise | fall
freeze | thaw unfreeze
grow | shrink
tighten | loosen
strengthen | weaken
heat warm | cool
sleep | wake
remember | forget
ask | answer
teach | learn
agree | disagree
appear | disappear
archive | unarchive
pin | unpin
undo | redo
pause | resume
grant | revoke
include | exclude
assemble | disassemble
load | unload
pack | unpack
wrap | unwrap
upgrade | downgrade
upvote | downvote
log_in login sign_in signin | log_out logout sign_out signout
check_in checkin | check_out checkout
opt_in | opt_out
zoom_in | zoom_out
clock_in | clock_out
scale_up | scale_down
speed_up accelerate | slow_down decelerate
power_on | power_off
plug_in | unplug
give | take
publish | unpublish
register | deregister unregister
multiply | divide
attract | repel
inhale | exhale
immigrate | emigrate
praise | criticize criticise
overestimate | underestimate
bless | curse
cause | prevent cure
help benefit | harm
reward | punish
improve | worsen
attend | skip
earn | spend
support | oppose
inflate | deflate
mute | unmute
approve | revoke
invite | uninvite
sync | unsync
"""
WORDS = """
before prior | after following
above over | below under beneath
first | last final
earliest | latest
minimum min least fewest smallest | maximum max most largest biggest
min minimum | max maximum
more | less fewer
better | worse
best greatest | worst
good great | bad terrible
good | evil
high higher highest | low lower lowest
big large bigger larger biggest largest | small smaller smallest tiny little
long longer longest | short shorter shortest
tall taller tallest | short shorter shortest
fast faster fastest quick quickly | slow slower slowest slowly
hot hotter hottest | cold colder coldest
old older oldest elderly | new newer newest
old older oldest elderly | young younger youngest
early earlier | late later
easy easier easiest easily | hard harder hardest difficult
cheap cheaper cheapest | expensive costly
strong stronger strongest | weak weaker weakest
rich richer richest wealthy | poor poorer poorest
thick thicker | thin thinner
wide wider | narrow narrower
deep deeper | shallow
heavy heavier heaviest | light lighter lightest
hard | soft
wet | dry
clean | dirty
full | empty
safe | dangerous
true | false
positive | negative
public | private
internal | external
inner | outer
inside | outside
indoor indoors | outdoor outdoors
input inputs | output outputs
inbound incoming | outbound outgoing
inflow | outflow
north northern | south southern
east eastern | west western
left | right
top upper | bottom lower
front | back rear
forward forwards | backward backwards
ascending | descending
horizontal | vertical
male males man men boy boys husband gentleman | female females woman women girl girls wife lady ladies
father dad son brother uncle grandfather | mother mom daughter sister aunt grandmother
boyfriend | girlfriend
king | queen
guys | girls
hero | villain
alive living | dead
life | death
day daytime | night nighttime
morning | evening
summer | winter
yesterday | tomorrow
past | future
always | never
everything | nothing
all every | none
many | few
major | minor
majority | minority
senior | junior
permanent | temporary
manual manually | automatic automatically
static | dynamic
online | offline
synchronous | asynchronous
free | paid
real | fake
guilty | innocent
wrong incorrect | right correct
success | failure
friend friends | enemy enemies
profit profits | loss losses
asset assets | liability liabilities
debit | credit
income | expense expenses
supply | demand
import imports | export exports
employer employers | employee employees
buyer buyers customer | seller sellers vendor
landlord | tenant
teacher teachers | student students
parent parents | child children
doctor | patient
sender | receiver recipient
plaintiff | defendant
lender | borrower
client | server
frontend | backend
upstream | downstream
advantage advantages benefit benefits pros | disadvantage disadvantages drawback drawbacks cons
strength strengths | weakness weaknesses
introvert introverts introverted | extrovert extroverts extroverted
optimist optimistic | pessimist pessimistic
theist theists | atheist atheists
domestic | foreign
urban | rural
ancient | modern
natural | artificial
liberal liberals | conservative conservatives
democrat democrats | republican republicans
beginner beginners | expert experts
acid | base
odd | even
single | married
veg vegetarian | nonveg
cause causes | effect effects
cause causes reason reasons | cure cures
question | answer
entry entrance | exit
ceiling | floor
sunrise | sunset
heaven | hell
war | peace
birth | death
arrival arrivals | departure departures
inclusive including | exclusive excluding
with | without
until | since
up | down
happy | sad
common frequent | rare
beautiful | ugly
smart intelligent clever | stupid dumb
healthy | sick
loud noisy | quiet silent
sweet | bitter sour
optional | mandatory required compulsory
visible | hidden
early earliest | late latest
start beginning | end ending
sunny | rainy
sender | addressee
host | guest
gross | net
draft | final
read | unread
newest | oldest
nearest closest | farthest furthest
"""
IRREGULAR = {
    "buy": "bought", "sell": "sold", "send": "sent", "lend": "lent", "leave": "left", "win": "won winning",
    "lose": "lost", "begin": "began begun beginning", "hide": "hid hidden", "freeze": "froze frozen",
    "unfreeze": "unfroze unfrozen", "grow": "grew grown", "shrink": "shrank shrunk", "rise": "rose risen",
    "raise": "raised", "fall": "fell fallen", "wake": "woke woken", "forget": "forgot forgotten forgetting",
    "forbid": "forbade forbidden forbidding", "give": "gave given", "take": "took taken", "teach": "taught",
    "withdraw": "withdrew withdrawn", "spend": "spent", "quit": "quitting", "shut": "shutting", "split": "splitting",
    "stop": "stopped stopping", "ban": "banned banning", "zip": "zipped zipping", "unzip": "unzipped unzipping",
    "unplug": "unplugged unplugging", "build": "built", "wrap": "wrapped wrapping", "unwrap": "unwrapped unwrapping",
    "pin": "pinned pinning", "unpin": "unpinned unpinning", "deny": "denied denies", "marry": "married marries",
    "multiply": "multiplied multiplies", "permit": "permitted permitting", "repel": "repelled repelling",
    "undo": "undone",
}  # fmt: skip
