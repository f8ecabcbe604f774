//! What the reference peer does when it drives: each script calls the other side, checks every answer, and returns facts for the report.

use crate::link::{first_chunk, link, Failure};
use crate::procedures::*;
use crate::values::{everything, reading, Bytes, Colour, Everything, Reading, Shape};
use ipfi::blocking::{CallHandle, ProcedureIndex};
use serde::de::DeserializeOwned;
use serde_json::{json, Value};
use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::Mutex;
use std::thread;

type Script = fn() -> Result<Value, Failure>;

pub const SCRIPTS: [(&str, Script); 14] = [
    ("unary", unary),
    ("values", values),
    ("streams", streams),
    ("raw", raw),
    ("partial-bytes", partial_bytes),
    ("partial-values", partial_values),
    ("interleaved-partials", interleaved_partials),
    ("thousand", thousand),
    ("out-of-order", out_of_order),
    ("callbacks", callbacks),
    ("end-of-input", end_of_input),
    ("termination", termination),
    ("await-termination", await_termination),
    ("mixed", mixed),
];

/// What the script was doing, for the message of the deadline.
pub static STAGE: Mutex<String> = Mutex::new(String::new());

fn stage(what: impl Into<String>) {
    *STAGE.lock().expect("a string") = what.into();
}

fn check<T: PartialEq + Debug>(what: &str, got: &T, wanted: &T) -> Result<(), Failure> {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: got {got:?}, wanted {wanted:?}").into())
}

macro_rules! start {
    ($procedure:expr, $arguments:expr) => {{
        stage(format!("calling procedure {}", $procedure));
        link().start(|wire| wire.call(ProcedureIndex::new($procedure), $arguments))
    }};
}

macro_rules! call {
    ($procedure:expr, $arguments:expr) => {
        wait(start!($procedure, $arguments)?)
    };
}

fn wait<T: DeserializeOwned>(handle: CallHandle<'static>) -> Result<T, Failure> {
    Ok(handle.wait()?)
}

fn unary() -> Result<Value, Failure> {
    check("magic", &call!(MAGIC, ())?, &42_u32)?;
    check("add", &call!(ADD, (40_u32, 2_u32))?, &42_u32)?;
    check("add wraps", &call!(ADD, (u32::MAX, 2_u32))?, &1_u32)?;
    let long = "long enough for a length of four bytes ".repeat(2000);
    for text in ["", "naïve — 漢字", &"x".repeat(300), &long] {
        check("echo", &call!(ECHO, (text,))?, &text.to_string())?;
    }
    check("nothing", &call!(NOTHING, ())?, &())?;
    check("a procedure index of two bytes", &call!(WIDE, ())?, &"wide".to_string())?;
    Ok(json!({ "longest": long.len() }))
}

fn values() -> Result<Value, Failure> {
    let shifted = Reading { value: 0.0, note: Some("shifted".into()), ..reading() };
    check("a record", &call!(SHIFT, (reading(), 2.5_f64))?, &shifted)?;
    for (shape, turned) in [
        (Shape::Empty, Shape::Empty),
        (Shape::Circle(1.5), Shape::Circle(1.5)),
        (Shape::Line(1, -2), Shape::Line(-2, 1)),
        (Shape::Rectangle { width: 3, height: 4 }, Shape::Rectangle { width: 4, height: 3 }),
    ] {
        check("an enum", &call!(TURN, (shape,))?, &turned)?;
    }
    check("an enum without data", &call!(NEXT_COLOUR, (Colour::Blue,))?, &Colour::Red)?;
    check("Ok", &call!(DIVIDE, (42_i64, -2_i64))?, &Ok::<i64, String>(-21))?;
    let refused: Result<i64, String> = call!(DIVIDE, (1_i64, 0_i64))?;
    check("Err", &refused.is_err(), &true)?;
    check("Some", &call!(HALVE, (Some(42_u32),))?, &Some(21_u32))?;
    check("None", &call!(HALVE, (None::<u32>,))?, &None::<u32>)?;
    let same: Everything = call!(EVERYTHING, (everything(),))?;
    check("everything", &same, &everything())?;
    let blob: Bytes = call!(BLOB, (1000_u32,))?;
    check("bytes", &(blob.0.len(), blob.0[999]), &(1000, (999 % 251) as u8))?;
    let numbers: Vec<u8> = call!(NUMBERS, (1000_u32,))?;
    check("an array of integers", &numbers, &blob.0)?;
    check("bytes as an argument", &call!(LENGTH, (blob,))?, &1000_u32)?;
    check("an array of integers where bytes are wanted", &call!(LENGTH, (numbers,))?, &1000_u32)?;
    Ok(json!({ "error": refused }))
}

fn streams() -> Result<Value, Failure> {
    for count in [1, 2, 5, 2000_u32] {
        let items = start!(SEQUENCE, (count,))?.wait_chunks::<String>()?;
        check("wait_chunks", &items, &Some(items_of_sequence(count)))?;
    }
    check("live", &live_sequence(200)?, &items_of_sequence(200))?;
    let many: Vec<_> = (1..=8_u32).map(|count| start!(SEQUENCE, (count * 10,))).collect();
    for (count, handle) in (1..=8_u32).zip(many) {
        let items = handle?.wait_chunks::<String>()?;
        check("eight streams at once", &items, &Some(items_of_sequence(count * 10)))?;
    }
    let chunks = start!(EMPTY_STREAM, ())?.wait_bytes()?;
    check("an empty stream is an empty Complete", &chunks, &vec![Vec::new()])?;
    Ok(json!({ "items": 1 + 2 + 5 + 2000 + 200 + 360 }))
}

fn items_of_sequence(count: u32) -> Vec<String> {
    (0..count).map(|number| format!("item {number}")).collect()
}

fn live_sequence(count: u32) -> Result<Vec<String>, Failure> {
    stage("reading a stream while it runs");
    let mut items = link().start(|wire| wire.call(ProcedureIndex::new(SEQUENCE), (count,))?.wait_chunk_stream())?;
    let mut taken = Vec::new();
    while let Some(item) = items.recv::<String>()? {
        taken.push(item?);
    }
    Ok(taken)
}

fn raw() -> Result<Value, Failure> {
    stage("calling a raw procedure");
    let every_byte: Vec<u8> = (0..=255).collect();
    let backwards: Vec<u8> = (0..=255).rev().collect();
    check("every byte", &call_raw(REVERSE, &every_byte)?, &backwards)?;
    check("no bytes", &call_raw(REVERSE, &[])?, &Vec::new())?;
    let large = call_raw(REVERSE, &every_byte.repeat(300))?;
    check("more than 65535 bytes", &large, &backwards.repeat(300))?;
    Ok(json!({ "largest": large.len() }))
}

/// The arguments of add(300, 70000) and of echo("in pieces"), without an array header.
const ADD_ARGUMENTS: &[u8] = b"\xcd\x01\x2c\xce\x00\x01\x11\x70";
const ECHO_ARGUMENTS: &[u8] = b"\xa9in pieces";

struct Partial {
    procedure: ProcedureIndex,
    call: ipfi::CallIndex,
}

impl Partial {
    fn begin(procedure: u16, first: &[u8]) -> Result<Self, Failure> {
        let procedure = ProcedureIndex::new(procedure);
        let call = link().start(|wire| wire.start_call_with_partial_bytes(procedure, first))?;
        // Each piece goes out by itself, as one write.
        link().flush()?;
        Ok(Self { procedure, call })
    }

    fn send(&self, piece: &[u8]) -> Result<(), Failure> {
        link().start(|wire| wire.continue_given_call_with_bytes(self.procedure, self.call, piece))?;
        link().flush()?;
        Ok(())
    }

    fn end(self) -> Result<CallHandle<'static>, Failure> {
        link().start(|wire| wire.end_given_call(self.procedure, self.call))
    }
}

fn partial_bytes() -> Result<Value, Failure> {
    stage("sending arguments one byte at a time");
    let partial = Partial::begin(ADD, &ADD_ARGUMENTS[..1])?;
    for byte in &ADD_ARGUMENTS[1..] {
        partial.send(&[*byte])?;
    }
    check("add", &wait(partial.end()?)?, &70_300_u32)?;
    let raw = Partial::begin(REVERSE, b"a")?;
    raw.send(b"b")?;
    raw.send(b"c")?;
    check("raw", &first_chunk(raw.end()?)?, &b"cba".to_vec())?;
    Ok(json!({ "pieces": ADD_ARGUMENTS.len() + 3 }))
}

fn partial_values() -> Result<Value, Failure> {
    stage("sending arguments one value at a time");
    let procedure = ProcedureIndex::new(ADD);
    let call = link().start(|wire| wire.start_call_with_partial_args(procedure, (300_u32,)))?;
    link().flush()?;
    link().start(|wire| wire.continue_given_call_with_args(procedure, call, (70_000_u32,)))?;
    link().flush()?;
    let handle = link().start(|wire| wire.end_given_call(procedure, call))?;
    check("add", &wait(handle)?, &70_300_u32)?;
    Ok(json!({}))
}

fn interleaved_partials() -> Result<Value, Failure> {
    stage("interleaving eight calls byte by byte");
    let mut open: Vec<(bool, Partial)> = Vec::new();
    for number in 0..8 {
        let adds = number % 2 == 0;
        let (procedure, arguments) = if adds { (ADD, ADD_ARGUMENTS) } else { (ECHO, ECHO_ARGUMENTS) };
        open.push((adds, Partial::begin(procedure, &arguments[..1])?));
    }
    for position in 1..ECHO_ARGUMENTS.len() {
        for (adds, partial) in &open {
            let arguments = if *adds { ADD_ARGUMENTS } else { ECHO_ARGUMENTS };
            if let Some(byte) = arguments.get(position) {
                partial.send(&[*byte])?;
            }
        }
    }
    check("a whole call between the pieces", &call!(ADD, (1_u32, 2_u32))?, &3_u32)?;
    while let Some((adds, partial)) = open.pop() {
        let handle = partial.end()?;
        if adds {
            check("add", &wait(handle)?, &70_300_u32)?;
        } else {
            check("echo", &wait(handle)?, &"in pieces".to_string())?;
        }
    }
    Ok(json!({ "calls": 9 }))
}

fn thousand() -> Result<Value, Failure> {
    stage("starting 1,000 calls");
    let handles: Vec<_> = {
        // All are queued before the first byte leaves.
        let _held = link().hold();
        (0..1000_u32)
            .map(|number| link().wire.call(ProcedureIndex::new(ADD), (number, 1_000_000_u32)))
            .collect::<Result<_, _>>()?
    };
    for (number, handle) in (0..1000_u32).zip(handles) {
        stage(format!("waiting for call {number} of 1,000"));
        check("add", &wait(handle)?, &(number + 1_000_000))?;
    }
    Ok(json!({ "calls": 1000 }))
}

fn out_of_order() -> Result<Value, Failure> {
    let slow = start!(SLEEP, (400_u32,))?;
    let fast = start!(SLEEP, (1_u32,))?;
    check("a call behind a deferred one", &call!(MAGIC, ())?, &42_u32)?;
    check("the fast one", &wait(fast)?, &1_u32)?;
    check("the slow one", &wait(slow)?, &400_u32)?;
    Ok(json!({}))
}

fn callbacks() -> Result<Value, Failure> {
    let answer: String = call!(CALL_BACK, (ECHO, "there and back"))?;
    check("a call from a handler", &answer, &"there and back".to_string())?;
    for depth in [0, 1, 2, 5_u32] {
        check("nested calls", &call!(NEST, (depth,))?, &depth)?;
    }
    let items = start!(RELAY_SEQUENCE, (20_u32,))?.wait_chunks::<String>()?;
    let wanted = items_of_sequence(20).iter().map(|item| format!("relayed {item}")).collect();
    check("a stream out of a stream", &items, &Some(wanted))?;
    Ok(json!({ "deepest": 5 }))
}

fn end_of_input() -> Result<Value, Failure> {
    // The other side may begin to listen for it only after its wire was opened: the first one may be missed.
    let (mut sent, mut before) = (0_u32, 0_u32);
    while before == 0 {
        link().start(|wire| wire.signal_end_of_input())?;
        sent += 1;
        before = call!(ENDS_OF_INPUT, ())?;
    }
    for _ in 0..3 {
        link().start(|wire| wire.signal_end_of_input())?;
    }
    // It may count on another thread than the one that answers.
    let mut after = before;
    while after < before + 3 {
        after = call!(ENDS_OF_INPUT, ())?;
    }
    check("each is counted once", &(after <= sent + 3), &true)?;
    check("a signal", &call!(SEND_END_OF_INPUT, ())?, &())?;
    check("the wire is still usable", &call!(MAGIC, ())?, &42_u32)?;
    let seen = link().ends_of_input.load(Ordering::Acquire);
    check("ends of input seen here", &(seen > 0), &true)?;
    Ok(json!({ "seen": seen }))
}

/// Says goodbye after the last answer: the other side sees a Termination, then the end of the stream.
fn termination() -> Result<Value, Failure> {
    check("magic", &call!(MAGIC, ())?, &42_u32)?;
    link().leave()?;
    Ok(json!({}))
}

/// Asks the other side to go away while a call is open: that call must end with an error.
fn await_termination() -> Result<Value, Failure> {
    check("magic", &call!(MAGIC, ())?, &42_u32)?;
    let endless = start!(SLEEP, (3_600_000_u32,))?;
    let _answered_or_not = start!(SEND_TERMINATION, ())?;
    stage("waiting for the other side's goodbye");
    let ended: Result<u32, _> = endless.wait();
    check("an open call ends with an error", &ended.is_err(), &true)?;
    check("the wire is terminated", &link().wire.is_terminated(), &true)?;
    Ok(json!({ "ended_with": ended.map_err(|error| error.to_string()) }))
}

/// Every kind of call from four threads at once.
fn mixed() -> Result<Value, Failure> {
    let threads: Vec<_> = (0..4_u32).map(|number| thread::spawn(move || one_of_four(number))).collect();
    let mut calls = 0;
    for thread in threads {
        calls += thread.join().map_err(|_| "a thread of the script panicked")??;
    }
    Ok(json!({ "calls": calls }))
}

fn one_of_four(number: u32) -> Result<u32, Failure> {
    let rounds = 25;
    for round in 0..rounds {
        check("add", &call!(ADD, (number, round))?, &(number + round))?;
        let text = format!("thread {number}, round {round}");
        check("echo", &call!(ECHO, (text.clone(),))?, &text)?;
        let items = start!(SEQUENCE, (round + 1,))?.wait_chunks::<String>()?;
        check("sequence", &items, &Some(items_of_sequence(round + 1)))?;
        let partial = Partial::begin(ADD, &ADD_ARGUMENTS[..3])?;
        check("nest", &call!(NEST, (2_u32,))?, &2_u32)?;
        partial.send(&ADD_ARGUMENTS[3..])?;
        check("partial", &wait(partial.end()?)?, &70_300_u32)?;
    }
    Ok(rounds * 5)
}
