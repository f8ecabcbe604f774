/* handshake.pml - how two ends get into one session, and out of it (docs/protocol.md 3.3).
 *
 * | requirement | where in this model |
 * |---|---|
 * | HS-1, HS-6  | timer(): HELLO and READY again; READIES unanswered end the attempt |
 * | HS-2        | later(), use(), boot(): ids on a circle, floors; none remembered is 0 |
 * | HS-3, HS-4  | on_hello(), on_hello_ack(): one pending session, echo, confirm, later answers |
 * | HS-5        | on_ready(): READY matched by id and confirm, answered again while nothing else came, no HELLO either |
 * | HS-7        | on_hello() ends no session; on_ready(), on_bye() and patience() do |
 * | HS-8        | on_hello(), on_ready(): glare and its crossing |
 * | HS-11       | boot(), foreign(): a waiting end says HELLO once |
 * | HS-13       | patience() says BYE, on_bye() takes it |
 * | LINK-5      | foreign(): frames of other sessions |
 * | FRAME-10    | send(), receive(): frames of a session are sealed with its confirm |
 * | LINK-13, LINK-19 | patience() |
 *
 * Checked: data comes from one life of the other end only, once, in order; two ends in a session of one
 * id agree on its terms; when the line is quiet and empty, two established ends are in one session;
 * from the moment when faults stop, the host is in a session that the other end confirms within
 * SETTLED time-outs; nothing ever waits for nothing.
 *
 * Lines that begin with "@" are printed by a simulation and replayed against the code by
 * tests/model/replay.py.  docs/model/README.md says what is left out.
 */

#ifndef MOVES
#define MOVES 3 /* reboots, early time-outs, sessions given up, late copies: all that the adversary may do */
#endif
/* Fewer kinds of moves, so that more of the others can be tried. */
#ifdef NO_EARLY
#define EARLY false
#else
#define EARLY true
#endif
#ifdef NO_PATIENCE
#define PATIENCE(e) false
#elif defined(HASTY)
#define PATIENCE(e) (e == HOST)
#else
#define PATIENCE(e) true
#endif
#ifdef NO_REBOOT
#define REBOOTS(e) false
#elif defined(NO_HOST_REBOOT)
#define REBOOTS(e) (e == DEVICE)
#elif defined(TRACE)
#define REBOOTS(e) (end[e].boots < 1 + end[e].life) /* not before a session */
#else
#define REBOOTS(e) true
#endif
#ifndef LATE
#define LATE 1 /* copies a direction that wait in a buffer */
#endif
#ifndef MESSAGES
#define MESSAGES 1 /* DATA frames of an end in a session */
#endif
#ifndef CAPACITY
#define CAPACITY 2 /* frames on the line, each way */
#endif
#ifndef SETTLED
#define SETTLED 14 /* time-outs until the ends agree, once nothing is lost any more */
#endif
#ifdef PEERS
#define PEER_FLOORS true
#else
#define PEER_FLOORS false
#endif
#ifdef FLOOR_ONE
#define DEVICE_FLOOR 1
#else
#define DEVICE_FLOOR 0
#endif
#ifdef TRACE /* a simulation for the code: no early quiet, not too many lives */
#define QUIET_MAY_COME (moves == MOVES)
#define TIMER_COST 0
#elif defined(READY_FOR_EVER)
#define READIES 255
#endif
#ifndef READIES
#define READIES 2 /* HS-6 has 6, and so have traces; 2 shows the same */
#endif
#ifndef TRACE
#define QUIET_MAY_COME true
#define TIMER_COST 1
#endif
#define CIRCLE 256 /* session ids; 65536 */
#define HOST 0
#define DEVICE 1

#ifdef PEERS /* both active, equal role */
#define IS_ACTIVE(e) true
#define OUTRANKS(mine, me, theirs) (mine > theirs)
#else
#define OUTRANKS(mine, me, theirs) (me == HOST)
#ifdef BOTH_ACTIVE
#define IS_ACTIVE(e) true
#else
#define IS_ACTIVE(e) (e == HOST)
#endif
#endif

mtype = { HELLO, HELLO_ACK, READY, DATA, ACK, PING, BYE };
mtype = { LISTENING, CONNECTING, UNCONFIRMED, ESTABLISHED };

typedef End {
    mtype state;
    byte nonce;                /* of this attempt */
    byte floor;                /* HS-2; 0: remembers nothing */
    byte said_floor;           /* the one in its HELLO */
    byte pending;              /* HS-3; 0: none */
    int pending_confirm;
    byte session;              /* live or, in UNCONFIRMED, the candidate; 0: none */
    int confirm;               /* its terms */
    byte readies;
    bool initiated;
    bool spoken;               /* something but READY came since it began, a HELLO too */
    byte ping;                 /* number of the newest READY */
    bool hello_due;            /* a waiting end says HELLO once */
    byte sent, expected;       /* DATA */
    /* budgets and what only the model knows: */
    byte draws, boots;
    byte life;                 /* number of sessions it has entered */
    byte partner;              /* the other end's life that this one's data comes from */
    byte last_partner;
};

End end[2];
/* type; id or floor; nonce, confirm or number; ping, echo or, with DATA, the life of the sender */
chan to[2] = [CAPACITY] of { mtype, byte, int, byte };
chan held[2] = [LATE] of { mtype, byte, int, byte };
bool quiet, asked, sure, rebooted;
byte moves;
byte ticks, last, row;        /* time-outs since it is quiet; who had the last, how many of them in a row */

/* ---- ids on a circle, HS-2 ---- */

#define AHEAD(a, b) ((b - a + CIRCLE) % CIRCLE)
#define IS_LATER(a, b) (a == 0 || (b != 0 && (AHEAD(a, b) < CIRCLE / 2 -> true : (AHEAD(a, b) == CIRCLE / 2 && b > a))))
#define AFTER(a) (a == CIRCLE - 1 -> 1 : a + 1)

inline later(out, a, b)
{
    out = (IS_LATER(a, b) -> b : a);
    out = (out == 0 -> 1 : out)
}

/* HS-2: the floor goes past an id that was used. */
inline use(e, id)
{
#ifndef NO_FLOOR
    if
    :: IS_LATER(end[e].floor, id) -> end[e].floor = AFTER(id)
    :: else
    fi
#else
    skip
#endif
}

/* ---- what both directions do ---- */

/* FRAME-10: the seal stands above the number, of which there are few. */
#define NUMBERS 8
#define IS_SEALED(kind) (kind == DATA || kind == ACK || kind == PING || kind == BYE)
#define SEALED(e, kind, b) (b + (IS_SEALED(kind) -> NUMBERS * end[e].confirm : 0))

#ifdef HELLO_ARRIVES /* what a constant nonce needs, HS-5 */
#define ARRIVES(kind) (kind == HELLO)
#else
#define ARRIVES(kind) false
#endif

/* A frame arrives, is lost, or is kept for later; or both the first and the last. */
inline send(e, kind, a, b, c)
{
    printf("@ send %d %e %d %d %d ", e, kind, a, b, c);
    if
    :: nfull(to[1 - e]) -> to[1 - e]!kind, a, SEALED(e, kind, b), c; printf("arrives\n")
#ifdef TRACE /* more often */
    :: nfull(to[1 - e]) -> to[1 - e]!kind, a, SEALED(e, kind, b), c; printf("arrives\n")
    :: nfull(to[1 - e]) -> to[1 - e]!kind, a, SEALED(e, kind, b), c; printf("arrives\n")
#endif
    :: (!quiet && !ARRIVES(kind)) || full(to[1 - e]) -> printf("lost\n")
    :: !quiet && moves < MOVES && nfull(held[1 - e]) ->
        moves++;
        held[1 - e]!kind, a, SEALED(e, kind, b), c;
        if
        :: nfull(to[1 - e]) -> to[1 - e]!kind, a, SEALED(e, kind, b), c; printf("twice\n")
        :: printf("late\n")
        fi
    fi
}

inline draw(e, out)
{
#ifdef CONSTANT
    out = 1;
#else
    out = 2 * end[e].draws + e + 1;
    end[e].draws++;
    assert((end[e].draws & 31) != 0);
#endif
    printf("@ nonce %d %d\n", e, out)
}

/* Stands for a CRC over HELLO and HELLO_ACK: no two are alike here. */
#define CONFIRM(initiator, responder, floor) ((initiator << 16) + (responder << 8) + floor)
#define INITIATOR(confirm) (confirm >> 16)
#define FLOOR(confirm) (confirm & 255)

inline begin_attempt(e)
{
#ifdef PEERS /* which of two nonces is the larger is chance */
    if
    :: end[e].draws = end[e].draws & 31
    :: end[e].draws = end[e].draws | 32
    fi;
#endif
    draw(e, end[e].nonce);
    end[e].said_floor = end[e].floor
}

inline enter(e, id, terms, by_us)
{
    end[e].state = ESTABLISHED;
    end[e].session = id;
    end[e].confirm = terms;
    end[e].initiated = by_us;
    end[e].readies = 0;
    end[e].spoken = by_us;
    end[e].pending = 0;
    end[e].pending_confirm = 0;
    end[e].hello_due = false;
    end[e].sent = 0;
    end[e].expected = 0;
    end[e].life++;
    printf("@ open %d\n", e);
    if
    :: end[e].partner != 0 -> end[e].last_partner = end[e].partner; end[e].partner = 0
    :: else
    fi;
    if
    :: e == HOST -> asked = false; sure = false
    :: else
    fi
}

/* LINK-19, HS-6: look for a new session. */
inline seek(e)
{
    end[e].state = (IS_ACTIVE(e) -> CONNECTING : LISTENING);
    end[e].session = 0;
    end[e].confirm = 0;
    end[e].readies = 0;
    end[e].initiated = false;
    end[e].spoken = false;
    end[e].hello_due = IS_ACTIVE(e);
    if
    :: e == HOST -> asked = false; sure = false
    :: else
    fi;
    begin_attempt(e)
}

/* HS-11 */
inline foreign(e)
{
    if
    :: end[e].state == LISTENING -> end[e].hello_due = true
    :: else
    fi
}

/* A host's random floor may happen to be that of its earlier lives, or none that a frame under way may carry;
 * a device remembers nothing. */
#ifdef FLOORS_COME_BACK
#define LIVES_BEFORE(e) 0
#else
#define LIVES_BEFORE(e) end[e].boots
#endif
inline boot(e)
{
    end[e].floor = (e == HOST || PEER_FLOORS -> CIRCLE - 6 - 8 * LIVES_BEFORE(e) - 4 * e : DEVICE_FLOOR);
#ifndef TRACE
    if
    :: e == DEVICE && !PEER_FLOORS
    :: else -> end[e].boots++
    fi;
#else
    end[e].boots++;
#endif
    end[e].ping = 0;
    end[e].pending = 0;
    end[e].pending_confirm = 0;
    printf("@ boot %d %d\n", e, end[e].floor);
    seek(e);
    end[e].hello_due = true
}

/* ---- frames in ---- */

#define TRYING(e) (end[e].state == CONNECTING || end[e].state == UNCONFIRMED)

inline on_hello(e, told, number)
{
    if
    :: TRYING(e) && OUTRANKS(end[e].nonce, e, number) -> skip /* HS-8: ours goes on */
    :: else ->
#ifndef ANSWERS_AFTER_HELLO
        end[e].spoken = (end[e].state == ESTABLISHED); /* HS-5: a READY from now on may be of a new life */
#endif
        later(end[e].pending, told, end[e].floor);
        use(e, end[e].pending);
#ifndef FLOOR_OF_THE_ATTEMPT
        end[e].said_floor = end[e].floor; /* HS-2: answers to an earlier HELLO are void */
#endif
        draw(e, fresh);
        end[e].pending_confirm = CONFIRM(number, fresh, told);
        fresh = 0;
        send(e, HELLO_ACK, end[e].pending, end[e].pending_confirm, 0)
    fi
}

inline say_hello(e)
{
    end[e].hello_due = false;
    send(e, HELLO, end[e].said_floor, end[e].nonce, 0)
}

inline say_ready(e)
{
    end[e].readies++;
    end[e].ping++;
    send(e, READY, end[e].session, end[e].confirm, end[e].ping)
}

#ifdef SAME_ID_TWICE
#define LEAST_ID(e) end[e].said_floor
#else
#define LEAST_ID(e) end[e].floor
#endif
#ifdef ACCEPT_ANY_ANSWER
#define ANSWERS(e, id, terms) true
#else
#define ANSWERS(e, id, terms) (INITIATOR(terms) == end[e].nonce && FLOOR(terms) == end[e].said_floor \
                               && IS_LATER(LEAST_ID(e), id))
#endif

inline on_hello_ack(e, id, terms)
{
    if
    :: end[e].state != ESTABLISHED && ANSWERS(e, id, terms) ->
        end[e].state = UNCONFIRMED;
        end[e].session = id;
        end[e].confirm = terms;
        end[e].hello_due = false;
        use(e, id);
        end[e].readies = 0;
        say_ready(e)
    :: else
    fi
}

#ifdef READY_WITHOUT_CONFIRM
#define CONFIRMED(mine, theirs) true
#else
#define CONFIRMED(mine, theirs) (mine == theirs)
#endif
#ifdef CROSSING
#define CROSSES(e, terms) false
#else /* HS-8: offered before our own attempt, to a lower rank */
#define CROSSES(e, terms) (TRYING(e) && OUTRANKS(end[e].nonce, e, INITIATOR(terms)))
#endif

#define ANSWERED_BEFORE(e, id) (end[e].state == ESTABLISHED && end[e].session == id && !end[e].initiated \
                                && !end[e].spoken)

inline on_ready(e, id, terms, number)
{
    if
    :: end[e].pending == id && CONFIRMED(end[e].pending_confirm, terms) && !CROSSES(e, terms) ->
        enter(e, id, end[e].pending_confirm, false);
        send(e, ACK, id, 0, number)
    :: else ->
        if
        :: ANSWERED_BEFORE(e, id) && CONFIRMED(end[e].confirm, terms) -> send(e, ACK, id, 0, number)
        :: else -> foreign(e)
        fi
    fi
}

#ifdef IDS_ALONE
#define HOLDS(e) true
#else
#define HOLDS(e) (seal == end[e].confirm)
#endif
#ifdef ACCEPT_ANY_SESSION
#define OWNS(e, id) (end[e].state == ESTABLISHED)
#else
#define OWNS(e, id) (end[e].state == ESTABLISHED && end[e].session == id && HOLDS(e))
#endif

/* HS-6: of a READY for the candidate as it is now */
#define IS_ECHO(e, number) (number > end[e].ping - end[e].readies && number <= end[e].ping)

inline on_ack(e, id, number)
{
    if
    :: OWNS(e, id) ->
        end[e].spoken = true;
        sure = (e == HOST && asked)
    :: end[e].state == UNCONFIRMED && end[e].session == id && HOLDS(e) && IS_ECHO(e, number) -> enter(e, id, end[e].confirm, true)
    :: else -> foreign(e)
    fi
}

inline on_ping(e, id)
{
    if
    :: OWNS(e, id) -> end[e].spoken = true; send(e, ACK, id, 0, 0)
    :: else -> foreign(e)
    fi
}

/* Whose data is it? */
inline on_data(e, id, number, whose)
{
    if
    :: OWNS(e, id) ->
        end[e].spoken = true;
        if
        :: number == end[e].expected ->
            end[e].expected++;
            assert(end[e].partner == whose || (end[e].partner == 0 && whose > end[e].last_partner));
            printf("@ deliver %d %d %d\n", e, whose, number);
            end[e].partner = whose;
            assert(whose != end[1 - e].life || end[1 - e].partner == 0 || end[1 - e].partner == end[e].life)
        :: else
        fi
    :: else -> foreign(e)
    fi
}

inline on_bye(e, id)
{
    if
    :: OWNS(e, id) -> seek(e)
    :: end[e].state == UNCONFIRMED && end[e].session == id && HOLDS(e) -> seek(e)
    :: else -> foreign(e)
    fi
}

inline receive(e)
{
    to[e]?kind, a, b, c;
    seal = (IS_SEALED(kind) -> b / NUMBERS : 0);
    b = (IS_SEALED(kind) -> b % NUMBERS : b);
    printf("@ receive %d %e %d %d %d\n", e, kind, a, b, c);
    if
    :: kind == HELLO -> on_hello(e, a, b)
    :: kind == HELLO_ACK -> on_hello_ack(e, a, b)
    :: kind == READY -> on_ready(e, a, b, c)
    :: kind == ACK -> on_ack(e, a, c)
    :: kind == PING -> on_ping(e, a)
    :: kind == DATA -> on_data(e, a, b, c)
    :: kind == BYE -> on_bye(e, a)
    fi;
    kind = HELLO; a = 0; b = 0; c = 0; seal = 0
}

/* ---- time ---- */

inline timer(e)
{
    printf("@ timer %d\n", e);
    if
    :: end[e].state == UNCONFIRMED && end[e].readies < READIES ->
        say_ready(e)
    :: end[e].state == UNCONFIRMED && end[e].readies == READIES && IS_ACTIVE(e) -> /* HS-6 */
        seek(e);
        say_hello(e)
    :: end[e].state == UNCONFIRMED && end[e].readies == READIES && !IS_ACTIVE(e) ->
        seek(e)
    :: end[e].state == CONNECTING || (end[e].state == LISTENING && end[e].hello_due) ->
        say_hello(e)
    fi
}

inline patience(e)
{
    printf("@ patience %d\n", e);
    send(e, BYE, end[e].session, 2, 0);
    seek(e);
    if
    :: IS_ACTIVE(e) -> say_hello(e)
    :: else
    fi
}

#define HAS_TIMER(e) (end[e].state == CONNECTING || end[e].state == UNCONFIRMED || end[e].hello_due)
#define DRAINED (len(to[0]) + len(to[1]) == 0)

#define IS_DUE(e) (HAS_TIMER(e) || (e == HOST && end[e].state == ESTABLISHED && !sure))
/* Intervals are longer than a round trip, and no end's is more than twice the other's. */
#define TIME_OUT(e) (quiet && DRAINED && IS_DUE(e) && (last != e || row < 2 || !IS_DUE(1 - e)))

inline tick(e)
{
    ticks++;
    assert(ticks <= SETTLED);
    row = (last == e -> row + 1 : 1);
    row = (row > 2 -> 2 : row);
    last = e
}

/* What is always true. */
inline check(e)
{
    assert(end[0].state != ESTABLISHED || end[1].state != ESTABLISHED
           || end[0].session != end[1].session || end[0].confirm == end[1].confirm);
    assert((rebooted && IS_ACTIVE(DEVICE)) || !(quiet && DRAINED && end[0].state == ESTABLISHED && end[1].state == ESTABLISHED)
           || end[0].session == end[1].session);
    printf("@ state %d %e %d %d\n", e, end[e].state, end[e].session, end[e].pending)
}

#ifdef HASTY /* the C core: a waiting end says its HELLO before anything else */
#define IS_HASTY(e) (e == DEVICE)
#define IS_FREE(e) (e == HOST || !end[e].hello_due)
#else
#define IS_HASTY(e) false
#define IS_FREE(e) true
#endif
#define MAY_SEND(e) (!quiet && end[e].state == ESTABLISHED && end[e].sent < MESSAGES)

inline say_data(e)
{
    printf("@ data %d\n", e);
    end[e].sent++;
    send(e, DATA, end[e].session, end[e].sent - 1, end[e].life)
}

proctype Speaker(byte me)
{
    mtype kind = HELLO;
    byte a, c, fresh;
    int b, seal;
endless:
    do
    :: atomic { len(to[me]) > 0 && IS_FREE(me) -> receive(me); check(me) }
    :: atomic { (!quiet || IS_HASTY(me)) && end[me].hello_due -> timer(me); check(me) }
    :: atomic { !quiet && EARLY && HAS_TIMER(me) && !end[me].hello_due && moves < MOVES -> moves = moves + TIMER_COST; timer(me); check(me) }
    :: atomic { TIME_OUT(me) && HAS_TIMER(me) -> tick(me); timer(me); check(me) }
    :: atomic { !quiet && REBOOTS(me) && IS_FREE(me) && moves < MOVES -> moves++; rebooted = true; boot(me); check(me) }
    :: atomic { MAY_SEND(me) -> say_data(me); check(me) }
#ifdef TRACE /* more often */
    :: atomic { MAY_SEND(me) -> say_data(me); check(me) }
    :: atomic { MAY_SEND(me) -> say_data(me); check(me) }
    :: atomic { MAY_SEND(me) -> say_data(me); check(me) }
#endif
    :: atomic { !quiet && PATIENCE(me) && end[me].state == ESTABLISHED && moves < MOVES -> moves++; patience(me); check(me) }
    /* a call of the host's program is in flight: LINK-12, LINK-13 */
    :: atomic {
            TIME_OUT(me) && !HAS_TIMER(me) ->
            tick(me);
            if
            :: !asked -> asked = true; printf("@ ping %d\n", me); send(me, PING, end[me].session, 0, 0)
            :: asked -> patience(me)
            fi;
            check(me)
        }
    od
}

/* Brings what was kept, and may keep it for another time. */
proctype Late(byte way)
{
    mtype kind = HELLO;
    byte a, c;
    int b;
endless:
    do
    :: atomic {
            !quiet && nfull(to[way]) && nempty(held[way]) ->
            if
            :: held[way]?kind, a, b, c; printf("@ bring %d\n", way)
            :: moves < MOVES -> moves++; held[way]?<kind, a, b, c>; printf("@ bring %d again\n", way)
            fi;
            to[way]!kind, a, b, c;
            kind = HELLO; a = 0; b = 0; c = 0
        }
    od
}

init
{
    byte fresh;
    atomic {
        boot(0); boot(1);
        run Speaker(0); run Speaker(1); run Late(0); run Late(1)
    };
    atomic { /* at any time */
        QUIET_MAY_COME -> quiet = true;
        moves = 0;
        do
        :: nempty(held[0]) -> held[0]?_, _, _, _
        :: nempty(held[1]) -> held[1]?_, _, _, _
        :: len(held[0]) + len(held[1]) == 0 -> break
        od;
        printf("@ quiet\n")
    };
    quiet && sure && DRAINED; /* else: an invalid end state */
    assert(end[0].state == ESTABLISHED && end[1].state == ESTABLISHED && end[0].session == end[1].session);
    printf("@ settled\n")
}
