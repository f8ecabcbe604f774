//! Keeps one wire of the reference implementation moving: a thread that reads, a thread that writes, and the two locks that the
//! crate needs around it.
//!
//! Why not the crate's own `start`: its writer spins on a processor, and with it two of the crate's functions race
//! against a fast answer. `call` puts the message into the queue *before* it looks up the buffer for the answer, and
//! fails if the answer has come by then; `wait_chunk_stream` called after the last chunk waits for ever. Here a call, and
//! the call with its `wait_chunk_stream`, are made under a gate that the writer takes before it empties the queue.

use crate::endpoint::{Reader, Writer};
use ipfi::blocking::{CallHandle, Wire};
use std::error::Error;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

pub type Failure = Box<dyn Error + Send + Sync>;

/// The queue of the crate wakes nobody; this is how often the writer looks.
const WRITER_LOOKS_EVERY: Duration = Duration::from_micros(200);

const STOPPED_IS_LOOKED_AT_EVERY: Duration = Duration::from_millis(2);

/// For reports: what of the other side's bytes came this far.
pub static BYTES_READ: AtomicUsize = AtomicUsize::new(0);

pub static LINK: OnceLock<Link> = OnceLock::new();

pub struct Link {
    /// Never cloned: dropping *any* clone of a wire marks all of them as terminated.
    pub wire: &'static Wire<'static>,
    gate: Mutex<()>,
    writer: Mutex<Writer>,
    pub ends_of_input: AtomicU32,
    pub errors: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

pub fn link() -> &'static Link {
    LINK.get().expect("the link is made before anything is served")
}

impl Link {
    pub fn new(wire: &'static Wire<'static>, writer: Writer) -> Self {
        Self {
            wire,
            gate: Mutex::new(()),
            writer: Mutex::new(writer),
            ends_of_input: AtomicU32::new(0),
            errors: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
        }
    }

    /// Nothing leaves while the guard lives.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().expect("nobody panics under the gate")
    }

    /// Makes a call, or anything else that must not race with its own answer.
    pub fn start<T, E: Error + Send + Sync + 'static>(
        &self,
        make: impl FnOnce(&'static Wire<'static>) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let _held = self.hold();
        Ok(make(self.wire)?)
    }

    /// Sends what is queued; says whether there was anything.
    pub fn flush(&self) -> Result<bool, Failure> {
        let mut writer = self.writer.lock().expect("nobody panics while writing");
        let mut bytes = Vec::new();
        {
            let _held = self.hold();
            self.wire.flush_partial(&mut bytes)?;
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        writer.write_all(&bytes)?;
        writer.flush()?;
        Ok(true)
    }

    /// Ends every call in flight with an error. The crate offers this only as the side effect of dropping a clone.
    pub fn terminate_locally(&self) {
        drop(self.wire.clone());
        self.stopped.store(true, Ordering::Release);
    }

    pub fn note(&self, what: String) {
        eprintln!("reference-peer: {what}");
        self.errors.lock().expect("a list of strings").push(what);
    }

    /// Reads until the other side goes away; a tolerant reader outlives everything but that.
    pub fn read_until_the_end(&self, reader: Reader, tolerant: bool) {
        let mut reader = BufReader::new(Watched { reader, ended: false });
        while !self.wire.is_terminated() {
            match self.wire.fill(&mut reader) {
                Ok(()) if self.wire.is_terminated() => eprintln!("reference-peer: the other side said goodbye"),
                Ok(()) => {
                    self.ends_of_input.fetch_add(1, Ordering::AcqRel);
                }
                Err(error) if reader.get_ref().ended || self.wire.is_terminated() => {
                    eprintln!("reference-peer: reading ended: {error}");
                    break;
                }
                Err(error) => {
                    self.note(error.to_string());
                    if !tolerant {
                        break;
                    }
                }
            }
        }
        self.terminate_locally();
    }

    /// Starts the thread that reads and the thread that writes.
    pub fn start_pumps(&'static self, reader: Reader, tolerant: bool, reads_after: Duration) {
        thread::spawn(|| self.write_until_the_end());
        thread::spawn(move || {
            thread::sleep(reads_after);
            self.read_until_the_end(reader, tolerant);
        });
    }

    /// Says goodbye and stops; the other side may never say anything again.
    pub fn leave(&self) -> Result<(), Failure> {
        self.wire.signal_termination();
        self.flush()?;
        self.terminate_locally();
        Ok(())
    }

    pub fn wait_until_stopped(&self) {
        while !self.has_stopped() {
            thread::sleep(STOPPED_IS_LOOKED_AT_EVERY);
        }
    }

    pub fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn write_until_the_end(&self) {
        while !self.has_stopped() && !self.wire.is_terminated() {
            match self.flush() {
                Ok(true) => {}
                Ok(false) => thread::sleep(WRITER_LOOKS_EVERY),
                Err(error) => {
                    if !self.wire.is_terminated() {
                        self.note(format!("writing: {error}"));
                    }
                    self.terminate_locally();
                }
            }
        }
    }
}

/// Remembers that the stream has ended: the crate's error type is private, so nobody can ask an error what it is.
struct Watched {
    reader: Reader,
    ended: bool,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(buffer);
        BYTES_READ.fetch_add(*result.as_ref().unwrap_or(&0), Ordering::AcqRel);
        self.ended = match &result {
            Ok(size) => *size == 0,
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        };
        result
    }
}

/// The value of an answer as it came, whatever its type: the first chunk.
pub fn first_chunk(handle: CallHandle<'static>) -> Result<Vec<u8>, Failure> {
    handle.wait_bytes()?.into_iter().next().ok_or_else(|| "an answer without a chunk".into())
}
