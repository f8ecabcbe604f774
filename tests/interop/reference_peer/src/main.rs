//! The reference implementation of IPFI as the other end of a wire.
//!
//! `serve` offers the procedures of `procedures.rs`; `drive` calls the other side after a script of `scripts.rs` and serves
//! meanwhile. Each prints one line of JSON at its end, on standard output, or on standard error if the wire itself is on standard output.
//! Nothing hangs: a process that outlives its deadline reports what it was doing and exits with 3.

mod endpoint;
mod link;
mod procedures;
mod scripts;
mod single_threaded;
mod values;

use ipfi::blocking::{Interface, ProcedureIndex, Wire};
use link::{link, Failure, Link, BYTES_READ, LINK};
use procedures::NOTE;
use scripts::{SCRIPTS, STAGE};
use serde_json::{json, Value};
use std::io::Write;
use std::process::exit;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: reference-peer serve ENDPOINT [options]
       reference-peer drive ENDPOINT --script NAME [options]
       reference-peer scripts
options: --deadline-s N       exit with 3 after so many seconds (60)
         --max-ongoing N      calls served at once (the crate's own default is 10)
         --read-after-ms N    leave what comes unread for so long (0)
         --tolerant           go on after errors that the crate's own loop ends a wire for
         --module             a wire that can be called but not call
         --autonomous         serve with the crate's own spinning threads
         --single-threaded    serve, or drive the script \"batches\", without threads, between EndOfInput messages
         --linger             after the script, call note(\"the script is done\") and serve until the other side goes away";

const FAILED: i32 = 1;
const MISUSED: i32 = 2;
const TOO_LATE: i32 = 3;

#[derive(Default)]
struct Options {
    mode: String,
    endpoint: String,
    script: Option<String>,
    deadline_s: Option<u64>,
    max_ongoing: Option<u16>,
    read_after_ms: Option<u64>,
    tolerant: bool,
    module: bool,
    autonomous: bool,
    single_threaded: bool,
    linger: bool,
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut positional = Vec::new();
    let mut rest = arguments.peekable();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--script" => options.script = Some(value()?),
            "--deadline-s" => options.deadline_s = Some(value()?.parse()?),
            "--max-ongoing" => options.max_ongoing = Some(value()?.parse()?),
            "--read-after-ms" => options.read_after_ms = Some(value()?.parse()?),
            "--tolerant" => options.tolerant = true,
            "--module" => options.module = true,
            "--autonomous" => options.autonomous = true,
            "--single-threaded" => options.single_threaded = true,
            "--linger" => options.linger = true,
            other if other.starts_with("--") => return Err(format!("unknown option {other}").into()),
            _ => positional.push(argument),
        }
    }
    match positional.as_slice() {
        [mode] if mode == "scripts" => options.mode = mode.clone(),
        [mode, endpoint] if mode == "serve" || mode == "drive" => {
            options.mode = mode.clone();
            options.endpoint = endpoint.clone();
        }
        _ => return Err("what to do, and on which endpoint?".into()),
    }
    Ok(options)
}

fn main() {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("reference-peer: {error}\n{USAGE}\n{}", endpoint::USAGE);
            exit(MISUSED);
        }
    };
    if options.mode == "scripts" {
        SCRIPTS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    }
    watch_the_clock(&options);
    let result = run(&options);
    let ok = result.is_ok();
    report(&options, result);
    exit(if ok { 0 } else { FAILED });
}

fn watch_the_clock(options: &Options) {
    let seconds = options.deadline_s.unwrap_or(60);
    let to_stderr = options.endpoint == "stdio";
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(seconds));
        let stage = STAGE.try_lock().map_or_else(|_| "something".into(), |it| it.clone());
        print_line(
            to_stderr,
            &json!({
                "ok": false,
                "error": format!("not done after {seconds} s, while {stage}"),
            "bytes_read": BYTES_READ.load(Ordering::Acquire),
            }),
        );
        exit(TOO_LATE);
    });
}

fn run(options: &Options) -> Result<Value, Failure> {
    set_stage("opening the endpoint");
    let (reader, writer) = endpoint::open(&options.endpoint)?;
    // Both live until the process ends, which is what the crate's threads want.
    let interface: &'static Interface = Box::leak(Box::default());
    procedures::add_all(interface);
    let mut wire = if options.module { Wire::new_module(interface) } else { Wire::new(interface) };
    if let Some(most) = options.max_ongoing {
        wire = wire.max_ongoing_procedures(most);
    }
    let wire: &'static Wire<'static> = Box::leak(Box::new(wire));
    set_stage("serving");
    match (options.single_threaded, options.mode.as_str()) {
        (true, "serve") => return single_threaded::serve(wire, reader, writer),
        (true, _) => return single_threaded::drive(wire, reader, writer),
        _ => {}
    }
    if options.autonomous {
        wire.start(reader, writer).wait();
        return Ok(json!({ "served": true }));
    }
    let _ = LINK.set(Link::new(wire, writer));
    link().start_pumps(reader, options.tolerant, Duration::from_millis(options.read_after_ms.unwrap_or(0)));
    if options.mode == "serve" {
        link().wait_until_stopped();
        return Ok(json!({ "served": true }));
    }
    drive(options)
}

fn drive(options: &Options) -> Result<Value, Failure> {
    let wanted = options.script.as_deref().ok_or("drive wants --script NAME")?;
    let (_, script) = SCRIPTS.iter().find(|(name, _)| *name == wanted).ok_or_else(|| format!("no script {wanted}"))?;
    let started = Instant::now();
    let facts = script()?;
    if link().wire.is_terminated() {
        // Let the reader say what it saw.
        link().wait_until_stopped();
    }
    let seconds = started.elapsed().as_secs_f64();
    if options.linger {
        // Hearing this, the other side may leave before it answers.
        let _ = link().start(|wire| wire.call(ProcedureIndex::new(NOTE), ("the script is done",)))?;
        report(options, Ok(json!({ "script": wanted, "seconds": seconds, "facts": facts })));
        set_stage("serving after the script");
        link().wait_until_stopped();
    } else if !link().has_stopped() {
        let _ = link().leave();
    }
    Ok(json!({ "script": wanted, "seconds": seconds, "facts": facts, "finished": true }))
}

fn set_stage(what: &str) {
    *STAGE.lock().expect("a string") = what.into();
}

fn report(options: &Options, result: Result<Value, Failure>) {
    let mut line = match result {
        Ok(facts) => facts,
        Err(error) => json!({ "error": error.to_string() }),
    };
    line["ok"] = json!(line.get("error").is_none());
    line["bytes_read"] = json!(BYTES_READ.load(Ordering::Acquire));
    if let Some(link) = LINK.get() {
        line["errors"] = json!(*link.errors.lock().expect("a list of strings"));
    }
    print_line(options.endpoint == "stdio", &line);
}

fn print_line(to_stderr: bool, line: &Value) {
    // Whoever started this process may have gone; there is nobody to tell then.
    let _ = if to_stderr {
        writeln!(std::io::stderr(), "{line}")
    } else {
        writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush())
    };
}
