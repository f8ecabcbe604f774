/* ipfi.h - remote procedure calls over a serial line, for microcontrollers.
 *
 * This header is the manual.  docs/protocol.md is the specification (numbers such as LINK-9 are its
 * requirements); docs/porting.md leads from an empty project to the first call.
 *
 * The library turns received bytes into calls of your functions, and their answers into bytes to send.
 * It never allocates, blocks, recurses or keeps anything in a global: you own every byte it uses, and
 * two wires can live side by side.  Time is an argument: milliseconds that may wrap round.
 *
 *     interrupt  -> ipfi_ring_put               (one line; nothing else happens in the interrupt)
 *     main loop  -> ipfi_poll                   (reads, runs your handlers, sends; returns at once)
 *
 * ipfi_poll is made of five verbs that you may use directly (a test does, on a virtual clock):
 * ipfi_receive, ipfi_take_tx, ipfi_next_event, ipfi_next_deadline_ms, ipfi_on_deadline.
 * None of the functions here may be called from an interrupt, except ipfi_ring_put. */
#ifndef IPFI_IPFI_H
#define IPFI_IPFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipfi/options.h"

/* ---- Flash ------------------------------------------------------------------------------------------
 * Tables, names and documentation stay in flash.  On chips whose flash is not in the data address space
 * (AVR) every read goes through IPFI_READ_FLASH.  To override, define both (and IPFI_FLASH_APART if flash
 * cannot be read through a pointer) before including this header; IPFI_READ_FLASH_BYTE(from), if you define it
 * as well, makes the code smaller. */
#ifndef IPFI_FLASH
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define IPFI_FLASH PROGMEM
#define IPFI_FLASH_APART 1
#define IPFI_READ_FLASH(to, from, size) ((void)memcpy_P((to), (from), (size)))
#define IPFI_READ_FLASH_BYTE(from) pgm_read_byte(from)
#else
#define IPFI_FLASH
#define IPFI_READ_FLASH(to, from, size) ((void)memcpy((to), (from), (size)))
#define IPFI_READ_FLASH_BYTE(from) (*(const uint8_t *)(from))
#endif
#endif

/* Refusals and tombstones that may wait at once (CALL-7); a peer that keeps the announced limits needs
 * at most as many as it may have incomplete calls.  When they run out the session is given up.  A plain number, alike
 * for every file (options.h). */
#ifndef IPFI_REFUSALS
#define IPFI_REFUSALS 4
#endif

/* Levels of arrays and maps in one value (VAL-4); ipfi_read_skip uses 4 bytes of stack for each. */
#ifndef IPFI_NESTING
#define IPFI_NESTING 8
#endif

/* Of a procedure, an event or a call. */
#if IPFI_WITH_LARGE_INDICES
typedef uint32_t ipfi_index_t;
#else
typedef uint16_t ipfi_index_t;
#endif

typedef struct ipfi_wire ipfi_wire_t;
typedef struct ipfi_call ipfi_call_t;
typedef struct ipfi_outcall ipfi_outcall_t;

/* ---- Values: MessagePack (protocol.md 1.1) ----------------------------------------------------------
 * A reader that meets a wrong type or the end turns `bad` and stays so; its functions then return 0.
 * So read all arguments first, then ask ipfi_read_end once. */
typedef struct {
    const uint8_t *at;  /* next byte                                            */
    const uint8_t *end; /* one past the last                                    */
    bool bad;           /* something did not fit                                */
} ipfi_reader_t;

ipfi_reader_t ipfi_reader(const uint8_t *bytes, size_t size);
uint32_t ipfi_read_u32(ipfi_reader_t *reader);
int32_t ipfi_read_i32(ipfi_reader_t *reader);
uint64_t ipfi_read_u64(ipfi_reader_t *reader);
int64_t ipfi_read_i64(ipfi_reader_t *reader);
bool ipfi_read_bool(ipfi_reader_t *reader);
double ipfi_read_float(ipfi_reader_t *reader); /* takes integers as well */
const char *ipfi_read_str(ipfi_reader_t *reader, size_t *size); /* not ended by '\0' */
const uint8_t *ipfi_read_bin(ipfi_reader_t *reader, size_t *size);
uint32_t ipfi_read_array(ipfi_reader_t *reader); /* number of values that follow  */
uint32_t ipfi_read_map(ipfi_reader_t *reader);   /* number of pairs that follow   */
bool ipfi_read_nil(ipfi_reader_t *reader);       /* consumes nil if it is next; else false, not bad */
const uint8_t *ipfi_read_skip(ipfi_reader_t *reader, size_t *size); /* any one value; its bytes */
bool ipfi_read_end(const ipfi_reader_t *reader); /* nothing was bad and nothing is left */

/* A writer that has no room for a whole value writes nothing of it, turns `full` and stays so. */
typedef struct {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool full;
} ipfi_writer_t;

ipfi_writer_t ipfi_writer(uint8_t *bytes, size_t size);
size_t ipfi_written(const ipfi_writer_t *writer);
void ipfi_write_nil(ipfi_writer_t *writer);
void ipfi_write_bool(ipfi_writer_t *writer, bool value);
void ipfi_write_u32(ipfi_writer_t *writer, uint32_t value);
void ipfi_write_i32(ipfi_writer_t *writer, int32_t value);
void ipfi_write_u64(ipfi_writer_t *writer, uint64_t value);
void ipfi_write_i64(ipfi_writer_t *writer, int64_t value);
void ipfi_write_f32(ipfi_writer_t *writer, float value);
void ipfi_write_f64(ipfi_writer_t *writer, double value);
void ipfi_write_str(ipfi_writer_t *writer, const char *text, size_t size);
void ipfi_write_bin(ipfi_writer_t *writer, const uint8_t *bytes, size_t size);
void ipfi_write_str_header(ipfi_writer_t *writer, uint32_t size); /* the bytes follow with ipfi_write_raw */
void ipfi_write_bin_header(ipfi_writer_t *writer, uint32_t size);
void ipfi_write_array(ipfi_writer_t *writer, uint32_t count);
void ipfi_write_map(ipfi_writer_t *writer, uint32_t pairs);
void ipfi_write_raw(ipfi_writer_t *writer, const uint8_t *bytes, size_t size);

/* ---- Procedures: functions of yours that the other end calls ----------------------------------------
 *
 *     IPFI_DESCRIBE(add_text, "add", "(a: u32, b: u32) -> u32", "Adds two numbers, wrapping.");
 *
 *     static ipfi_verdict_t add(ipfi_call_t *call)
 *     {
 *         const uint32_t a = ipfi_read_u32(&call->args);
 *         const uint32_t b = ipfi_read_u32(&call->args);
 *         if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
 *         ipfi_write_u32(&call->answer, a + b);
 *         return IPFI_DONE;
 *     }
 *
 *     static const ipfi_procedure_t table[] IPFI_FLASH = {
 *         { 1, IPFI_UNARY, add_text, add, NULL },
 *     };
 *
 * Handlers run in ipfi_poll (in ipfi_receive and ipfi_take_tx).  Keep them short: while one runs the
 * interrupt's ring fills.  What takes longer answers later. */
typedef enum {
    IPFI_DONE = 0,      /* the answer is complete; an empty one is sent as nil (raw: as it is)        */
    IPFI_YIELD,         /* one value of a stream is written: run me again when there is room          */
    IPFI_PART,          /* a part of a value is written: run me again for the rest (large answers)    */
    IPFI_LATER,         /* nothing yet: ipfi_resume will run me again                                 */
    IPFI_BAD_ARGUMENTS, /* refused with Error 2                                                       */
    IPFI_FAILED         /* what ipfi_fail returns                                                     */
} ipfi_verdict_t;

/* Why the handler runs.  A handler that returned YIELD, PART or LATER is run again, and if the call is
 * cancelled or the session ends, one last time with IPFI_END; its verdict is then ignored. */
typedef enum { IPFI_BEGIN = 0, IPFI_RESUME, IPFI_END } ipfi_phase_t;

typedef enum {
    IPFI_UNARY = 0,
    IPFI_STREAM = 1,
    IPFI_RAW = 2,           /* arguments and answer are bytes, not MessagePack (VAL-5)                 */
    IPFI_EVENT_HANDLED = 3, /* the other end emits, `run` handles                                      */
    IPFI_EVENT_EMITTED = 4, /* we emit                                                                 */
    IPFI_EVENT_BOTH = 5
} ipfi_kind_t;

typedef enum { /* protocol.md 1.2, error payload */
    IPFI_ERROR_UNKNOWN = 1,
    IPFI_ERROR_ARGUMENTS = 2,
    IPFI_ERROR_LIMIT = 3,
    IPFI_ERROR_RAISED = 4,
    IPFI_ERROR_CANCELLED = 5,
    IPFI_ERROR_NOT_ALLOWED = 6
} ipfi_error_t;

typedef struct {
    uint16_t index;   /* 0 to 0xFFEF, one space for procedures and events (DESC-1)                     */
    uint8_t kind;     /* an ipfi_kind_t                                                                */
    const char *text; /* in flash: name, signature and documentation; see IPFI_DESCRIBE                */
    ipfi_verdict_t (*run)(ipfi_call_t *call);
    /* NULL, or: takes the arguments as they arrive, for payloads larger than RAM.  `run` follows when
     * they are complete and finds `args` empty.  False refuses the call with Error 3. */
    bool (*take)(ipfi_call_t *call, const uint8_t *part, size_t size);
} ipfi_procedure_t;

#define IPFI_DESCRIBE(variable, name, signature, doc) \
    static const char variable[] IPFI_FLASH = name "\0" signature "\0" doc

/* One call being served (or one event being handled).  Read `args` while `phase` is IPFI_BEGIN or until
 * you answer; write one value to `answer` each time you run.  `state` is yours and starts as zero. */
struct ipfi_call {
    ipfi_wire_t *wire;
    ipfi_reader_t args;
    ipfi_writer_t answer;
    union {
        uint32_t u32[2];
        uint16_t u16[4];
        void *pointer;
    } state;
    uint8_t phase; /* an ipfi_phase_t */
    /* private */
    uint8_t stage;       /* free, collecting, working, sending                                         */
    uint8_t entry;       /* position in the table                                                      */
    uint8_t kind;        /* as in the table                                                            */
    uint8_t type;        /* message type of the answer: Response or Error                              */
    uint8_t ends;        /* terminator that ends what is in `out`                                      */
    bool asked;          /* the handler returned YIELD or PART: it is to be run again                  */
    bool owed;           /* a message is to be sent even if `out` is empty                             */
    uint16_t procedure;  /* its index                                                                  */
    uint32_t ticket;     /* no other call of this wire has it                                          */
    ipfi_index_t index;  /* of the call                                                                */
    uint32_t granted;    /* stream bytes that the caller takes so far (STREAM-2)                       */
    uint32_t sent;       /* stream bytes sent so far                                                   */
    uint32_t value;      /* bytes of the value that is being answered in parts                         */
    uint8_t *memory;     /* this call's part of config.values: arguments, then the answer              */
    uint16_t collected;  /* bytes of arguments in memory                                               */
    uint16_t out_left;   /* bytes of the answer not yet sent                                           */
    const uint8_t *out;
};

/* Ends the call with an Error (`return ipfi_fail(call, IPFI_ERROR_RAISED, "no such pin", 11)`).  The
 * text is cut to what fits. */
ipfi_verdict_t ipfi_fail(ipfi_call_t *call, ipfi_error_t code, const char *text, size_t size);

/* Answers with bytes that are somewhere else: in the arguments (which you may change in place) or in
 * constant memory.  They are one whole value, or for a raw procedure any bytes. */
ipfi_verdict_t ipfi_answer_from(ipfi_call_t *call, const uint8_t *bytes, size_t size);

/* The arguments as bytes that may be changed in place, for raw procedures. */
uint8_t *ipfi_raw_args(ipfi_call_t *call, size_t *size);

/* Answering later: keep the ticket, return IPFI_LATER, and when the time has come:
 *     ipfi_call_t *call = ipfi_ticket_call(wire, ticket);   (NULL: cancelled, or the session ended)
 *     if (call != NULL) { ipfi_resume(call); }              (runs the handler with IPFI_RESUME) */
typedef uint32_t ipfi_ticket_t;
ipfi_ticket_t ipfi_ticket(const ipfi_call_t *call);
ipfi_call_t *ipfi_ticket_call(ipfi_wire_t *wire, ipfi_ticket_t ticket);
void ipfi_resume(ipfi_call_t *call);

/* ---- Calling the other end ---------------------------------------------------------------------------
 * You own the struct, the arguments and the answer's buffer; leave them alone until ipfi_outcall_idle.
 * `done` is called once with an outcome that is not IPFI_OUT_VALUE, and before that with IPFI_OUT_VALUE
 * for each value of a stream.  `answer[0 .. answer_length)` is then the value, or for IPFI_OUT_FAILED the
 * Error payload: code, may-have-executed, message, of which so much is kept as there is room for. */
typedef enum {
    IPFI_OUT_ANSWERED = 0,
    IPFI_OUT_VALUE,     /* a value of a stream; more follow                                            */
    IPFI_OUT_FAILED,    /* the other end answered with an Error                                        */
    IPFI_OUT_TIMED_OUT, /* it may have executed                                                        */
    IPFI_OUT_CANCELLED, /* by ipfi_outcall_cancel                                                      */
    IPFI_OUT_TOO_LARGE, /* the answer did not fit                                                      */
    IPFI_OUT_LOST       /* the session ended; executed at most if `sent` is true                       */
} ipfi_outcome_t;

struct ipfi_outcall {
    void (*done)(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome);
    void *user;           /* yours */
    const uint8_t *args;  /* MessagePack values, one after the other                                   */
    uint16_t args_size;
    uint8_t *answer;      /* where the answer is collected                                             */
    uint16_t answer_size;
    uint16_t answer_length;
    bool sent;            /* something of it was handed to the link                                    */
    /* private */
    uint8_t stage;
    bool too_large;
    bool failing; /* what is collected is an Error */
    bool cancel_owed;
    uint16_t procedure, index, args_sent;
    uint32_t deadline_ms, taken, granted;
    ipfi_outcall_t *next;
};

/* Starts a call.  False: no session, or the other end takes no calls; `done` is then not called. */
bool ipfi_outcall_start(ipfi_wire_t *wire, ipfi_outcall_t *out, uint16_t procedure, uint32_t now_ms,
                        uint32_t timeout_ms);
void ipfi_outcall_cancel(ipfi_wire_t *wire, ipfi_outcall_t *out); /* `done` follows at once */
bool ipfi_outcall_idle(const ipfi_outcall_t *out);

/* ---- Events, log and text ----------------------------------------------------------------------------
 * True if it was taken.  False: no session, no room now, or the other end takes no events or none so large.
 * Arguments are MessagePack values, one after the other. */
bool ipfi_emit(ipfi_wire_t *wire, uint16_t event, const uint8_t *args, size_t size); /* exactly once   */
bool ipfi_emit_lossy(ipfi_wire_t *wire, uint16_t event, const uint8_t *args, size_t size); /* EVENT-3 */
bool ipfi_log(ipfi_wire_t *wire, uint8_t level, const char *text, size_t size);
/* Raw text on the line, between frames; the other end shows it a line at a time (FRAME-8).  Returns how
 * many bytes were taken: 0 while a frame is on its way. */
size_t ipfi_print(ipfi_wire_t *wire, const char *text, size_t size);

/* ---- The port: five functions -------------------------------------------------------------------------
 * All return at once.  `context` is yours. */
typedef struct {
    void *context;
    uint32_t (*now_ms)(void *context);
    size_t (*read)(void *context, uint8_t *to, size_t max);            /* usually ipfi_ring_take      */
    size_t (*write)(void *context, const uint8_t *from, size_t size);  /* how many the UART took      */
    uint32_t (*entropy)(void *context);   /* differs from start to start if it can; need not be secret */
    uint8_t (*boot_cause)(void *context); /* an ipfi_boot_t                                            */
#if IPFI_FOR_SPEED
    struct ipfi_ring *ring; /* if there is one: frames are read where they lie, and `read` is not called */
#endif
} ipfi_port_t;

typedef enum {
    IPFI_BOOT_UNKNOWN = 0, IPFI_BOOT_POWER, IPFI_BOOT_PIN, IPFI_BOOT_WATCHDOG, IPFI_BOOT_SOFTWARE,
    IPFI_BOOT_BROWN_OUT, IPFI_BOOT_PROGRAM
} ipfi_boot_t;

/* The receive ring between your interrupt (one producer) and ipfi_poll (one consumer).  Holds size - 1
 * bytes.  An index must be read and written in one instruction: one byte on 8-bit chips. */
#ifndef IPFI_RING_INDEX
#if defined(__AVR__)
#define IPFI_RING_INDEX uint8_t
#else
#define IPFI_RING_INDEX uint16_t
#endif
#endif
typedef struct ipfi_ring {
    volatile uint8_t *bytes;
    IPFI_RING_INDEX size;
    volatile IPFI_RING_INDEX head;     /* written by the interrupt only */
    volatile IPFI_RING_INDEX tail;     /* written by the main loop only */
    volatile IPFI_RING_INDEX overruns; /* bytes lost because the ring was full; written by the interrupt */
} ipfi_ring_t;

void ipfi_ring_init(ipfi_ring_t *ring, volatile uint8_t *bytes, IPFI_RING_INDEX size);
size_t ipfi_ring_take(ipfi_ring_t *ring, uint8_t *to, size_t max);   /* from the main loop */

/* From the interrupt; defined here so that the interrupt calls nothing and saves few registers. */
static inline void ipfi_ring_put(ipfi_ring_t *ring, uint8_t byte)
{
    const IPFI_RING_INDEX head = ring->head;
    IPFI_RING_INDEX next = (IPFI_RING_INDEX)(head + 1);
    if (next == ring->size) { next = 0; }
    if (next == ring->tail) {
        ring->overruns++;
        return;
    }
    ring->bytes[head] = byte; /* the only write to bytes */
    ring->head = next;        /* last: only now may the main loop see it */
}

/* ---- Configuration and memory ------------------------------------------------------------------------- */
typedef struct { /* one DATA frame that is not acknowledged yet */
    uint16_t length;
    uint8_t tries;
    uint8_t marks;
    uint32_t left_ms; /* when its last byte left, estimated         */
    uint32_t charge;  /* the ring's account after it (LINK-14)      */
} ipfi_tx_frame_t;

enum { IPFI_ANSWER_ROOM = 16 }; /* a number always fits behind the largest arguments */
#define IPFI_RX_FRAME_SIZE(payload) ((payload) < 40 ? 48 : (payload) + 9 + (payload) / 245)
#define IPFI_TX_FRAME_SIZE(payload) ((payload) < 40 ? 56 : (payload) + 14 + (payload) / 250)

/* Declares all buffers of one wire as one static variable; IPFI_USE_BUFFERS puts them in a config.
 * payload: largest DATA frame each way.  frames: how many may be on their way.  stream: bytes of answers
 * and events waiting or unacknowledged (at least payload + 32).  calls: served at once.  value: largest
 * arguments of a call.  lossy: bytes of waiting lossy events and log lines. */
#define IPFI_BUFFERS(name, payload, frames, stream, call_count, value, lossy_bytes) \
    static IPFI_BUFFERS_TYPE(payload, frames, stream, call_count, value, lossy_bytes) name
#define IPFI_BUFFERS_TYPE(payload, frames, stream, call_count, value, lossy_bytes) \
    struct { \
        ipfi_tx_frame_t window[(frames)]; \
        ipfi_call_t calls[(call_count) + 1]; \
        uint8_t rx_frame[IPFI_RX_FRAME_SIZE(payload)]; \
        uint8_t tx_frame[IPFI_TX_FRAME_SIZE(payload)]; \
        uint8_t tx_stream[(stream)]; \
        uint8_t values[((call_count) + 1) * ((value) + IPFI_ANSWER_ROOM)]; \
        uint8_t lossy[(lossy_bytes)]; \
    }
#define IPFI_USE_BUFFERS(name) \
    .tx_window = (name).window, .tx_window_length = (uint8_t)(sizeof (name).window / sizeof (name).window[0]), \
    .calls = (name).calls, .calls_length = (uint8_t)(sizeof (name).calls / sizeof (name).calls[0]), \
    .rx_frame = (name).rx_frame, .rx_frame_size = sizeof (name).rx_frame, \
    .tx_frame = (name).tx_frame, .tx_frame_size = sizeof (name).tx_frame, \
    .tx_stream = (name).tx_stream, .tx_stream_size = sizeof (name).tx_stream, \
    .values = (name).values, \
    .value_size = (uint16_t)(sizeof (name).values / (sizeof (name).calls / sizeof (name).calls[0])), \
    .lossy = (name).lossy, .lossy_size = sizeof (name).lossy

enum { IPFI_CRC_16 = 1, IPFI_CRC_32 = 2 }; /* FRAME-6 */
enum { IPFI_HOST = 1, IPFI_TAKES_NO_CALLS = 4, IPFI_MAKES_NO_CALLS = 8 }; /* flags of protocol.md 3.2 */

/* Puts a table of procedures and events into a config.  Without it a device takes no calls (HELLO says so)
 * and the code that serves them is not linked: it can still emit events and call the other end. */
#define IPFI_SERVE(procedures) \
    .server = &ipfi_server, .table = (procedures), \
    .table_length = (uint8_t)(sizeof (procedures) / sizeof (procedures)[0])
extern const struct ipfi_server ipfi_server;

typedef struct {
    const struct ipfi_server *server; /* &ipfi_server, or NULL: see IPFI_SERVE                         */
    const ipfi_procedure_t *table; /* in flash */
    uint8_t table_length;
    uint8_t window;          /* DATA frames that may be on their way to us, 1 to 16                    */
    uint8_t crc_profiles;    /* IPFI_CRC_16, or IPFI_CRC_16 | IPFI_CRC_32                              */
    uint8_t flags;           /* IPFI_HOST ...                                                          */
    bool active;             /* opens the session itself; else waits for the other end                 */
    uint16_t frame_payload;  /* 16 to 16384 and not above what the buffers hold                        */
    uint16_t ring;           /* bytes the receive ring holds; 0xFFFF: the transport never loses bytes  */
    uint32_t us_per_byte;    /* 10000000 / baud for 8N1; 0 if unknown.  At most 4000000, and a frame of an hour */
    uint16_t stream_credit;  /* first credit for streams that we read, in 16 bytes                     */
    uint16_t max_message;    /* announced largest value, also as an answer to us, in 256 bytes; 0: what `value_size` holds */
    const ipfi_port_t *port; /* for ipfi_poll; may be NULL if only the five verbs are used             */
    void *user;              /* yours: call->wire->config->user                                        */
    ipfi_tx_frame_t *tx_window;
    ipfi_call_t *calls;      /* one more than are served at once: the last is for events               */
    uint8_t *rx_frame, *tx_frame, *tx_stream, *values, *lossy;
    uint8_t tx_window_length, calls_length;
    uint16_t rx_frame_size, tx_frame_size, tx_stream_size, value_size, lossy_size;
} ipfi_config_t;

/* ---- Wire ---------------------------------------------------------------------------------------------- */
typedef enum { IPFI_CLOSED = 0, IPFI_LISTENING, IPFI_CONNECTING, IPFI_UNCONFIRMED, IPFI_ESTABLISHED } ipfi_state_t;

typedef enum {
    IPFI_EVENT_UP = 1,  /* a session stands; detail: the other end's boot cause                        */
    IPFI_EVENT_DOWN,    /* it ended; detail: an ipfi_down_t                                            */
    IPFI_EVENT_REFUSED, /* the other end refused us; detail: the reason (HS-10)                        */
    IPFI_EVENT_ECHO     /* the line echoes our own bytes (HS-9)                                        */
} ipfi_event_kind_t;

typedef enum { /* 0 to 3 are the reasons of a BYE (HS-13) */
    IPFI_DOWN_CLOSED = 0, IPFI_DOWN_RESTARTING, IPFI_DOWN_PATIENCE, IPFI_DOWN_CORRUPTED, IPFI_DOWN_SUPERSEDED
} ipfi_down_t;

typedef struct {
    uint8_t kind;   /* an ipfi_event_kind_t */
    uint8_t detail;
} ipfi_event_t;

typedef struct {
    uint32_t frames_received, frames_sent, retransmissions;
    uint32_t noise;         /* bytes between delimiters that are no frame, or whose CRC did not hold   */
    uint32_t oversized, duplicates, ahead, strays; /* strays: frames of another session                */
    uint32_t bad_messages;  /* skipped or refused (MSG-6)                                              */
    uint32_t calls_served, calls_refused, events_handled, events_dropped;
    uint32_t lossy_dropped; /* drop-oldest (LINK-20)                                                   */
    uint32_t sessions;
} ipfi_stats_t;

/* options.h makes their names tell the options, so that programs with others are not linked: ipfi_init, ipfi_start */
void ipfi_init(ipfi_wire_t *wire, const ipfi_config_t *config, uint32_t nonce, uint8_t boot_cause);
void ipfi_open(ipfi_wire_t *wire, uint32_t now_ms);
void ipfi_close(ipfi_wire_t *wire); /* BYE is found in ipfi_take_tx */

void ipfi_receive(ipfi_wire_t *wire, const uint8_t *bytes, size_t size, uint32_t now_ms);
size_t ipfi_take_tx(ipfi_wire_t *wire, uint8_t *to, size_t max, uint32_t now_ms);
bool ipfi_next_event(ipfi_wire_t *wire, ipfi_event_t *event);
bool ipfi_next_deadline_ms(const ipfi_wire_t *wire, uint32_t *deadline_ms); /* false: nothing to wait for */
void ipfi_on_deadline(ipfi_wire_t *wire, uint32_t now_ms); /* early calls are harmless */

void ipfi_start(ipfi_wire_t *wire, const ipfi_config_t *config); /* ipfi_init and ipfi_open by the port */
void ipfi_poll(ipfi_wire_t *wire);
/* For a port that can send from memory: what waits to be sent, and how much of it was taken. */
size_t ipfi_peek_tx(ipfi_wire_t *wire, const uint8_t **bytes, uint32_t now_ms);
void ipfi_tx_taken(ipfi_wire_t *wire, size_t size);

ipfi_state_t ipfi_state(const ipfi_wire_t *wire);
bool ipfi_flushed(const ipfi_wire_t *wire); /* all that was sent has been acknowledged */

/* ---- Private: the wire's parts, here only so that you can own the memory --------------------------------- */
typedef struct {
    uint8_t *content; /* as it came, behind its first code; at the delimiter it becomes content */
    uint16_t size, length;
    uint8_t first, mode;
    bool oversized;
} ipfi_decoder_t;

typedef struct {
    uint8_t *bytes;
    uint16_t size, length, taken;
    uint8_t begin; /* of the frame, whose first code is known only when it ends */
    bool overflow;
} ipfi_encoder_t;

typedef struct { /* the other end's parameters (protocol.md 3.2) with the session they belong to */
    uint8_t flags, boot_cause, window, profile, max_calls, extensions;
    uint16_t session, frame_payload, ring, stream_credit, max_message;
    uint32_t nonce, credit;
    uint32_t confirm; /* READY says it (HS-5), checksums begin from it (FRAME-10); of a pending session first the CRC of its HELLO */
} ipfi_peer_t;

typedef struct { /* small fields first: chips reach those with the shortest instructions */
    uint8_t state, want;                            /* want: what to send next */
    uint8_t tx_sequence, rx_sequence, in_flight, backoff, clean, unacked, ping, echo, readies;
    bool hello_sent, only_ready, have_rtt, working, timer_on, idle, ping_out, repeated, ack_doubled;
    uint8_t probe_shift, echoes, refuse_reason, bye_reason, boot_cause;
#if IPFI_WITH_LOSSY
    bool lossy_last, lossy_waits;                   /* waits: for the other end's ring */
    uint16_t lossy_start, lossy_used;
#endif
    uint16_t stream_start, stream_used, stream_sent, cut;
    uint16_t srtt8, rttvar4;                        /* RFC 6298, scaled */
    uint16_t floor, bye_session;
    uint32_t frame_ms;                              /* wire time of a full frame */
    uint32_t evidence;                              /* all handed over before it has arrived or is lost, LINK-10 */
    uint32_t now_ms;                                /* as of the verb that is running */
    uint32_t line_free_ms, heard_ms, timer_ms, interval_ms, ping_ms, ack_due_ms;
    uint32_t acked_offset, received_offset, announced; /* stream offsets, LINK-7 */
    uint32_t handed, cleared, ping_charge;          /* the ring's account, LINK-14 */
    uint32_t nonce, hello_crc, refuse_echo;
    ipfi_peer_t peer;                               /* of the live session, or of the one to be confirmed */
    ipfi_peer_t pending;                            /* session 0: there is none (HS-3) */
} ipfi_link_t;

typedef struct {
    ipfi_index_t procedure, call;
    uint32_t left;
    uint8_t type, flag, stage, at;
    bool huge; /* procedure or call is more than an ipfi_index_t holds */
} ipfi_parser_t;

typedef struct {
    ipfi_index_t procedure, call;
    uint8_t code;  /* Error to be sent; 0: sent */
    bool draining; /* tombstone: the rest of the arguments is dropped (CALL-7) */
} ipfi_refusal_t;

struct ipfi_wire {
    const ipfi_config_t *config;
    ipfi_link_t link;
#if IPFI_WITH_COUNTERS
    ipfi_stats_t stats;
#endif
    ipfi_encoder_t encoder;
    ipfi_decoder_t decoder;
    ipfi_parser_t parser;
    ipfi_call_t *target;         /* who takes the payload of the message that is being received */
    ipfi_outcall_t *out_target;
    ipfi_outcall_t *outcalls;
    const struct ipfi_caller *caller; /* NULL until the first ipfi_outcall_start: costs no flash till then */
#if IPFI_WITH_LOSSY
    bool (*build_lossy)(ipfi_wire_t *wire); /* likewise, NULL until the first lossy event */
#endif
    uint32_t schema;
    uint32_t last_ticket;
    uint16_t next_call;
    uint8_t event_count, event_first;
#if IPFI_FOR_SPEED
    uint16_t looked_ms;          /* ipfi_poll's: when deadlines were looked at; a loop that turns once in 65536 ms has no session anyway */
    bool has_news;               /* something may have changed since there was nothing to send */
#endif
    uint8_t turn;                /* whose answer is next */
    uint8_t small_length, small[9]; /* a Grant's payload */
    ipfi_event_t events[4];
    ipfi_refusal_t refusals[IPFI_REFUSALS];
};

#if IPFI_WITH_COUNTERS
#define IPFI_COUNT(wire, what) ((void)(wire)->stats.what++)
#else
#define IPFI_COUNT(wire, what) ((void)(wire))
#endif

#if IPFI_FOR_SPEED
#define IPFI_NEWS(wire) ((void)((wire)->has_news = true))
#else
#define IPFI_NEWS(wire) ((void)(wire))
#endif

#ifdef IPFI_ONLY_CONFIG
extern const ipfi_config_t IPFI_ONLY_CONFIG;
#endif

static inline const ipfi_config_t *ipfi_config_of(const ipfi_wire_t *wire)
{
#ifdef IPFI_ONLY_CONFIG
    (void)wire;
    return &IPFI_ONLY_CONFIG;
#else
    return wire->config;
#endif
}

#endif /* IPFI_IPFI_H */
