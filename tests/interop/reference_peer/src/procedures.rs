//! What the reference peer offers. The table is the same on both ends (`tests/interop/interop_interface.py`), so that either may be
//! called, and either may be played by the other language.
//!
//! A procedure that calls the other side does so on a thread of its own: the crate holds locks and the reader while a handler runs.

use crate::link::{first_chunk, link, Failure};
use crate::values::{Bytes, Colour, Everything, Reading, Shape};
use ipfi::blocking::{Interface, ProcedureIndex};
use ipfi::Terminator;
use std::sync::atomic::Ordering;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

pub const MAGIC: u16 = 0;
pub const ADD: u16 = 1;
pub const ECHO: u16 = 2;
pub const SEQUENCE: u16 = 3;
pub const REVERSE: u16 = 4;
pub const BLOB: u16 = 5;
pub const DIVIDE: u16 = 6;
pub const SLEEP: u16 = 7;
pub const CALL_BACK: u16 = 8;
pub const NOTHING: u16 = 9;
pub const HALVE: u16 = 10;
pub const SHIFT: u16 = 11;
pub const TURN: u16 = 12;
pub const NEXT_COLOUR: u16 = 13;
pub const EVERYTHING: u16 = 14;
pub const SPLIT_VALUES: u16 = 15;
pub const EMPTY_STREAM: u16 = 16;
pub const NEST: u16 = 17;
pub const RELAY_SEQUENCE: u16 = 18;
pub const NOTE: u16 = 19;
pub const NOTES: u16 = 20;
pub const ENDS_OF_INPUT: u16 = 21;
pub const SEND_END_OF_INPUT: u16 = 22;
pub const SEND_TERMINATION: u16 = 23;
pub const NUMBERS: u16 = 24;
pub const LENGTH: u16 = 25;
pub const WIDE: u16 = 40_000;

static NOTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub fn add_all(interface: &Interface) {
    add_plain(interface);
    add_values(interface);
    add_streams(interface);
    add_deferred(interface);
    add_signals(interface);
}

fn add_plain(interface: &Interface) {
    interface.add_procedure(MAGIC, |(): ()| 42_u32);
    interface.add_procedure(ADD, |(a, b): (u32, u32)| a.wrapping_add(b));
    interface.add_procedure(ECHO, |(text,): (String,)| text);
    interface.add_procedure(NOTHING, |(): ()| ());
    interface.add_procedure(WIDE, |(): ()| "wide".to_string());
    interface.add_raw_procedure(REVERSE, |data| data.iter().rev().copied().collect());
    interface.add_procedure(NOTE, |(text,): (String,)| {
        NOTED.lock().expect("a list of strings").push(text);
    });
    interface.add_procedure(NOTES, |(): ()| NOTED.lock().expect("a list of strings").clone());
}

fn add_values(interface: &Interface) {
    interface.add_procedure(BLOB, |(size,): (u32,)| Bytes(pattern(size)));
    interface.add_procedure(NUMBERS, |(size,): (u32,)| pattern(size));
    interface.add_procedure(LENGTH, |(data,): (Bytes,)| data.0.len() as u32);
    interface.add_procedure(DIVIDE, |(a, b): (i64, i64)| -> Result<i64, String> {
        a.checked_div(b).ok_or_else(|| "division by zero".to_string())
    });
    interface.add_procedure(HALVE, |(value,): (Option<u32>,)| value.map(|it| it / 2));
    interface.add_procedure(SHIFT, |(reading, by): (Reading, f64)| Reading {
        value: reading.value + by,
        note: Some("shifted".into()),
        ..reading
    });
    interface.add_procedure(TURN, |(shape,): (Shape,)| match shape {
        Shape::Empty => Shape::Empty,
        Shape::Circle(radius) => Shape::Circle(radius),
        Shape::Line(from, to) => Shape::Line(to, from),
        Shape::Rectangle { width, height } => Shape::Rectangle { width: height, height: width },
    });
    interface.add_procedure(NEXT_COLOUR, |(colour,): (Colour,)| match colour {
        Colour::Red => Colour::Green,
        Colour::Green => Colour::Blue,
        Colour::Blue => Colour::Red,
    });
    interface.add_procedure(EVERYTHING, |(value,): (Everything,)| value);
}

fn add_streams(interface: &Interface) {
    interface.add_sequence_procedure(SEQUENCE, |yielder, (count,): (u32,)| {
        in_background("sequence", move || {
            for number in 0..count {
                yielder(format!("item {number}"), number + 1 == count)?;
            }
            Ok(())
        });
    });
    interface.add_raw_streaming_procedure(SPLIT_VALUES, |yielder, _| {
        in_background("split_values", move || {
            for (position, text) in ["first", "second", "third"].iter().enumerate() {
                // A short MessagePack string: one byte of length, then the text. Byte by byte, with an empty part before it.
                yielder(Vec::new(), Terminator::None)?;
                yielder(vec![0xa0 | text.len() as u8], Terminator::None)?;
                let (last, most) = text.as_bytes().split_last().expect("it is not empty");
                for byte in most {
                    yielder(vec![*byte], Terminator::None)?;
                }
                let end = if position == 2 { Terminator::Complete } else { Terminator::Chunk };
                yielder(vec![*last], end)?;
            }
            Ok(())
        });
    });
    interface.add_raw_streaming_procedure(EMPTY_STREAM, |yielder, _| {
        in_background("empty_stream", move || Ok(yielder(Vec::new(), Terminator::Complete)?));
    });
    interface.add_sequence_procedure(RELAY_SEQUENCE, |yielder, (count,): (u32,)| {
        in_background("relay_sequence", move || {
            let mut items =
                link().start(|wire| wire.call(ProcedureIndex::new(SEQUENCE), (count,))?.wait_chunk_stream())?;
            let mut taken = 0;
            while taken < count {
                let item: String = items.recv()?.ok_or("the other side's stream was too short")??;
                taken += 1;
                yielder(format!("relayed {item}"), taken == count)?;
            }
            Ok(())
        });
    });
}

fn add_deferred(interface: &Interface) {
    interface.add_sequence_procedure(SLEEP, |yielder, (ms,): (u32,)| {
        in_background("sleep", move || {
            thread::sleep(Duration::from_millis(ms.into()));
            Ok(yielder(ms, true)?)
        });
    });
    interface.add_sequence_procedure(CALL_BACK, |yielder, (procedure, text): (u16, String)| {
        in_background("call_back", move || {
            let handle = link().start(|wire| wire.call(ProcedureIndex::new(procedure), (text,)))?;
            let answer: String = handle.wait()?;
            Ok(yielder(answer, true)?)
        });
    });
    interface.add_sequence_procedure(NEST, |yielder, (depth,): (u32,)| {
        in_background("nest", move || {
            if depth == 0 {
                return Ok(yielder(0_u32, true)?);
            }
            let handle = link().start(|wire| wire.call(ProcedureIndex::new(NEST), (depth - 1,)))?;
            let below: u32 = handle.wait()?;
            Ok(yielder(below + 1, true)?)
        });
    });
}

fn add_signals(interface: &Interface) {
    interface.add_procedure(ENDS_OF_INPUT, |(): ()| link().ends_of_input.load(Ordering::Acquire));
    interface.add_procedure(SEND_END_OF_INPUT, |(): ()| {
        if let Err(error) = link().wire.signal_end_of_input() {
            link().note(error.to_string());
        }
    });
    interface.add_sequence_procedure(SEND_TERMINATION, |yielder, (): ()| {
        in_background("send_termination", move || {
            yielder((), true)?;
            link().leave()
        });
    });
}

/// Byte i is i modulo 251: a prime, so that no power of two hides a shifted block.
fn pattern(size: u32) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

fn in_background(name: &'static str, work: impl FnOnce() -> Result<(), Failure> + Send + 'static) {
    thread::spawn(move || {
        if let Err(error) = work() {
            link().note(format!("{name}: {error}"));
        }
    });
}

/// Calls a raw procedure of the other side.
pub fn call_raw(procedure: u16, data: &[u8]) -> Result<Vec<u8>, Failure> {
    first_chunk(link().start(|wire| wire.call_with_bytes(ProcedureIndex::new(procedure), data))?)
}
