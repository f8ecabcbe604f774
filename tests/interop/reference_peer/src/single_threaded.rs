//! The reference implementation without threads, as its module example for WebAssembly uses it: read until the other side says EndOfInput, then
//! write everything, ending with an EndOfInput of our own.

use crate::endpoint::{Reader, Writer};
use crate::link::Failure;
use crate::procedures::{ADD, ECHO, MAGIC};
use ipfi::blocking::{ProcedureIndex, Wire};
use serde_json::{json, Value};

/// Serves batches until the other side goes away; says how many.
pub fn serve(wire: &Wire<'static>, mut reader: Reader, mut writer: Writer) -> Result<Value, Failure> {
    let mut batches = 0;
    loop {
        match wire.fill(&mut reader) {
            Ok(()) if wire.is_terminated() => break,
            Ok(()) => wire.flush_end(&mut writer)?,
            Err(_) if wire.is_terminated() => break,
            Err(error) => return Err(error.into()),
        }
        batches += 1;
    }
    Ok(json!({ "batches": batches }))
}

/// Makes three calls in one batch, three times over.
pub fn drive(wire: &Wire<'static>, mut reader: Reader, mut writer: Writer) -> Result<Value, Failure> {
    for batch in 0..3_u32 {
        let magic = wire.call(ProcedureIndex::new(MAGIC), ())?;
        let sum = wire.call(ProcedureIndex::new(ADD), (batch, 10_u32))?;
        let text = wire.call(ProcedureIndex::new(ECHO), ("a batch",))?;
        wire.flush_end(&mut writer)?;
        // The other side may say EndOfInput before or after its last answer.
        let (mut answers, mut ended) = (0, false);
        while answers < 3 || !ended {
            match wire.receive_one(&mut reader)? {
                None => ended = true,
                Some(last_of_an_answer) => answers += u32::from(last_of_an_answer),
            }
        }
        let got: (u32, u32, String) = (magic.wait()?, sum.wait()?, text.wait()?);
        if got != (42, batch + 10, "a batch".to_string()) {
            return Err(format!("batch {batch} came back as {got:?}").into());
        }
    }
    wire.flush_terminate(&mut writer)?;
    Ok(json!({ "batches": 3 }))
}
