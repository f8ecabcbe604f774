/* window.pml - one direction of a session: numbers, window, acknowledgements, credit (docs/protocol.md 3.4).
 *
 * | requirement | where in this model |
 * |---|---|
 * | LINK-1 | numbers on a small circle; a repetition carries the same bytes (`content`) |
 * | LINK-2, LINK-3 | on_data(), acknowledge(): ack, sack, frames kept ahead; GO_BACK_N: none are kept |
 * | LINK-4 | on_data(): what is not within the window is dropped; the displacement is bounded |
 * | LINK-6 | Sender: at most WINDOW frames under way |
 * | LINK-7 | Sender, on_ack(): credit, absolute, never back |
 * | LINK-8 | acknowledge(): at once or later |
 * | LINK-9 to LINK-11 | repeat(): any frame under way may be repeated at any time; when it is quiet, by time-out |
 * | LINK-15 | ask(): PING when only credit is missing |
 *
 * Checked: what is delivered is what was sent, each once, in order; the sender never takes for delivered
 * what was not; it keeps to the window and the credit; from the moment when faults stop, all is
 * delivered and acknowledged within SETTLED time-outs; nothing ever waits for nothing.
 */

#ifndef CIRCLE
#define CIRCLE 8 /* sequence numbers; 256 */
#endif
#ifndef WINDOW
#define WINDOW 2 /* 16 */
#endif
#ifndef FRAMES
#define FRAMES 10 /* to be sent: more than once round the circle */
#endif
#ifndef CREDIT
#define CREDIT 2 /* frames ahead of what was delivered */
#endif
#ifndef DISPLACED
#define DISPLACED 3 /* a frame is overtaken by so many DATA frames at most; fewer than half the circle */
#endif
#ifndef MOVES
#define MOVES 2 /* copies that come late, repetitions that were not necessary */
#endif
#ifndef CAPACITY
#define CAPACITY 2 /* frames on the line, each way */
#endif
#ifndef SETTLED
#define SETTLED 24 /* time-outs until all is done, once nothing is lost any more */
#endif
#ifdef WINDOW_PLUS_ONE
#define OUT_AT_MOST (WINDOW + 1)
#define TAKES (WINDOW + 1)
#else
#define OUT_AT_MOST WINDOW
#define TAKES WINDOW
#endif
#ifdef TRACE /* a simulation for the code: time-outs all the time, quiet near the end */
#define MAY_TIME_OUT true
#define QUIET_MAY_COME (delivered + 2 * WINDOW >= FRAMES)
#define SACK (grant == NO_CREDIT -> 0 : kept) /* a DATA frame carries none */
#define MAY_COME(overtaken) (overtaken > 2) /* a late frame: it really is */
#else
#define MAY_TIME_OUT quiet
#define QUIET_MAY_COME true
#define SACK kept
#define MAY_COME(overtaken) true
#endif
#define NO_CREDIT 255
#define CREDITS 32 /* a circle, too: 2^32 */

mtype = { DATA, ACK, PING };

/* DATA: number, content, -, - ; ACK: ack, content that it waits for, sack, credit */
chan there = [CAPACITY] of { byte, byte };
chan back = [CAPACITY] of { byte, byte, byte, byte };
chan late_there = [1] of { byte, byte };
chan late_back = [1] of { byte, byte, byte, byte };
bool quiet;
byte moves, ticks;
byte overtaken_there, overtaken_back; /* by how many frames the late ones were overtaken */

/* The sender: frames first .. first + out - 1 are under way. */
byte first, out, sacked, credit, asked;
/* The receiver. */
byte delivered, kept, owes; /* kept: bit i for number delivered + 1 + i */
byte kept_content[4];

#define NUMBER(n) ((n) % CIRCLE)
#define DRAINED (len(there) + len(back) == 0)
#define AHEAD(from, to) ((to - from + CIRCLE) % CIRCLE)
#define GRANT ((delivered + CREDIT) % CREDITS)
#define LEFT ((credit - first - out + 2 * CREDITS) % CREDITS)
#ifdef IGNORES_CREDIT
#define HAS_CREDIT true
#else
#define HAS_CREDIT (LEFT > 0 && LEFT <= CREDITS / 2)
#endif
#define DONE (first == FRAMES)

/* ---- the line ---- */

inline overtake()
{
#ifndef DISPLACED_FRAMES /* counted in DATA frames, both ways */
    overtaken_back = (len(late_back) > 0 -> overtaken_back + 1 : 0);
#endif
    overtaken_there = (len(late_there) > 0 -> overtaken_there + 1 : 0);
    do
    :: overtaken_there > DISPLACED -> late_there?_, _; overtaken_there = 0
    :: overtaken_back > DISPLACED -> late_back?_, _, _, _; overtaken_back = 0
    :: else -> break
    od
}

inline send_data(n)
{
    overtake();
    printf("@ data %d ", n);
    if
    :: nfull(there) -> there!NUMBER(n), n; printf("arrives\n")
#ifdef TRACE /* more often */
    :: nfull(there) -> there!NUMBER(n), n; printf("arrives\n")
#endif
    :: !quiet || full(there) -> printf("lost\n")
    :: !quiet && moves < MOVES && nfull(late_there) && DISPLACED > 0 ->
        moves++;
        late_there!NUMBER(n), n;
        if
        :: nfull(there) -> there!NUMBER(n), n; printf("twice\n")
        :: printf("late\n")
        fi
    fi
}

inline acknowledge()
{
#ifdef DISPLACED_FRAMES /* counted in frames of its own direction */
    overtaken_back = (len(late_back) > 0 -> overtaken_back + 1 : 0);
    if
    :: overtaken_back > DISPLACED -> late_back?_, _, _, _; overtaken_back = 0
    :: else
    fi;
#endif
    owes = 0;
    grant = GRANT;
    if
    :: skip
    :: !quiet -> grant = NO_CREDIT /* it went in a DATA frame of the other direction */
    fi;
    printf("@ ack %d %d %d ", delivered, SACK, grant);
    if
    :: nfull(back) -> back!NUMBER(delivered), delivered, SACK, grant; printf("arrives\n")
    :: !quiet || full(back) -> printf("lost\n")
    :: !quiet && moves < MOVES && nfull(late_back) && DISPLACED > 0 ->
        moves++;
        late_back!NUMBER(delivered), delivered, SACK, grant;
        if
        :: nfull(back) -> back!NUMBER(delivered), delivered, SACK, grant; printf("twice\n")
        :: printf("late\n")
        fi
    fi
}

/* ---- the sender ---- */

#define MAY_SEND (out < OUT_AT_MOST && HAS_CREDIT)

inline tell()
{
    printf("@ sender %d %d %d %d\n", first, out, credit, MAY_SEND)
}

#ifdef ACK_BEYOND
#define ACKS_UNDER_WAY true
#else
#define ACKS_UNDER_WAY (count <= out)
#endif

inline on_ack(ack, waits_for, sack, grant)
{
    if
    :: grant != NO_CREDIT && (grant - credit + CREDITS) % CREDITS < CREDITS / 2 -> credit = grant
    :: else
    fi;
    count = AHEAD(NUMBER(first), ack);
    if
    :: count > 0 && ACKS_UNDER_WAY ->
        count = (count > out -> out : count);
        first = first + count;
        out = out - count;
        sacked = sacked >> count
    :: else
    fi;
    /* sack: bit i stands for number ack + 1 + i */
    i = 0;
    do
    :: i < out ->
        place = AHEAD(ack, NUMBER(first + i));
        if
        :: place > 0 && place <= TAKES && (sack >> (place - 1)) & 1 -> sacked = sacked | (1 << i)
        :: else
        fi;
        i++
    :: else -> break
    od;
    asked = 0; i = 0; count = 0; place = 0;
    tell();
    assert(first <= delivered) /* never taken for delivered what was not */
}

inline tick()
{
    ticks++;
    assert(ticks <= SETTLED)
}

inline ask()
{
    tick();
    printf("@ ask\n");
#ifdef NO_PING
    skip
#else
    owes = 1 /* a PING arrives: it is answered at once */
#endif
}

inline check_sender()
{
    assert(out <= OUT_AT_MOST); /* what that does is to be seen */
    assert(first + out <= delivered + CREDIT)
}

proctype Sender()
{
    byte ack, waits_for, sack, grant, count, i, place;
endless:
    do
    :: atomic {
            nempty(back) -> back?ack, waits_for, sack, grant;
            printf("@ take ack %d\n", waits_for);
            on_ack(ack, waits_for, sack, grant);
            ack = 0; waits_for = 0; sack = 0; grant = 0
        }
    :: atomic {
            MAY_SEND && first + out < FRAMES ->
            out++;
            send_data(first + out - 1);
            tell();
            check_sender()
        }
    /* LINK-10: on evidence; here at any time */
    :: atomic {
            !quiet && out > 0 && moves < MOVES -> moves++;
            i = 0;
            do
            :: i < out && !((sacked >> i) & 1) -> send_data(first + i); break
            :: i + 1 < out -> i++
            :: else -> break
            od;
            i = 0
        }
    /* LINK-11: the time-out */
    :: atomic {
            MAY_TIME_OUT && DRAINED && owes == 0 && out > 0 -> tick();
            sacked = sacked & ~1; /* or it would have been acknowledged */
            i = 0;
            do
#ifdef GO_BACK_N
            :: i < out -> send_data(first + i); i++
#else
            :: i < 1 -> send_data(first); i++
#endif
            :: else -> break
            od;
            i = 0
        }
    /* LINK-15 */
    :: atomic { MAY_TIME_OUT && DRAINED && owes == 0 && out == 0 && !DONE && !HAS_CREDIT -> ask() }
    od
}

/* ---- the receiver ---- */

inline deliver(what)
{
    printf("@ deliver %d\n", what);
    assert(what == delivered);
    delivered++
}

#ifdef TAKES_ANY
#define IS_NEXT true
#else
#define IS_NEXT (ahead == 0)
#endif

inline shift()
{
    kept_content[0] = kept_content[1];
    kept_content[1] = kept_content[2];
    kept_content[2] = kept_content[3];
    kept_content[3] = 0
}

inline on_data(number, content)
{
    ahead = AHEAD(NUMBER(delivered), number);
    if
    :: IS_NEXT ->
        deliver(content);
        do
        :: kept & 1 ->
            kept = kept >> 1;
            deliver(kept_content[0]);
            shift()
        :: else -> kept = kept >> 1; shift(); break
        od
    :: ahead > 0 && ahead < TAKES ->
#ifndef GO_BACK_N
        kept = kept | (1 << (ahead - 1));
        kept_content[ahead - 1] = content
#else
        skip
#endif
    :: else -> skip /* stale or doubled */
    fi;
    ahead = 0
}

proctype Receiver()
{
    byte number, content, ahead, grant;
endless:
    do
    :: atomic {
            nempty(there) -> there?number, content;
            printf("@ take data %d\n", content);
            on_data(number, content);
            number = 0; content = 0;
            owes = 1
        }
    :: atomic { owes == 1 -> acknowledge(); grant = 0 } /* at once, or after more frames */
    od
}

proctype Late()
{
    byte a, b, c, d;
endless:
    do
    :: atomic {
            !quiet && nempty(late_there) && nfull(there) && MAY_COME(overtaken_there) ->
            late_there?a, b; there!a, b; overtaken_there = 0;
            printf("@ bring data %d\n", b);
            a = 0; b = 0
        }
    :: atomic {
            !quiet && nempty(late_back) && nfull(back) && MAY_COME(overtaken_back) ->
            late_back?a, b, c, d; back!a, b, c, d; overtaken_back = 0;
            printf("@ bring ack %d\n", b);
            a = 0; b = 0; c = 0; d = 0
        }
    od
}

init
{
    atomic {
        credit = CREDIT;
        run Sender(); run Receiver(); run Late()
    };
    atomic { /* at any time */
        QUIET_MAY_COME -> quiet = true;
        moves = 0;
        do
        :: nempty(late_there) -> late_there?_, _
        :: nempty(late_back) -> late_back?_, _, _, _
        :: len(late_there) + len(late_back) == 0 -> break
        od;
        overtaken_there = 0;
        overtaken_back = 0;
        printf("@ quiet\n")
    };
    quiet && DONE && delivered == FRAMES; /* else: an invalid end state */
    printf("@ settled\n")
}
