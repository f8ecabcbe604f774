//! The records and enums that both ends of an interoperability test know.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// A record: a positional array on the wire.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Reading {
    pub sensor: String,
    pub at: u64,
    pub value: f64,
    pub tags: Vec<String>,
    pub note: Option<String>,
}

/// An enum with every kind of variant: `"Empty"`, `{"Circle": 1.5}`, `{"Line": [1, 2]}`, `{"Rectangle": [3, 4]}`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum Shape {
    Empty,
    Circle(f64),
    Line(i32, i32),
    Rectangle { width: u32, height: u32 },
}

/// An enum without data: its variant's name.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub enum Colour {
    Red,
    Green,
    Blue,
}

/// Bytes that travel as MessagePack's bin, unlike a `Vec<u8>`, which is an array of integers.
#[derive(Debug, Clone, PartialEq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, data: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(data.to_vec()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
                let mut data = Vec::new();
                while let Some(byte) = items.next_element()? {
                    data.push(byte);
                }
                Ok(Bytes(data))
            }
        }
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

/// One field of every type that the wire carries.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Everything {
    pub small: i8,
    pub big: u64,
    pub negative: i64,
    pub single: f32,
    pub double: f64,
    pub truth: bool,
    pub letter: char,
    pub text: String,
    pub nothing: (),
    pub absent: Option<u16>,
    pub present: Option<u16>,
    pub list: Vec<u32>,
    pub pair: (i32, String),
    pub map: BTreeMap<String, i32>,
    pub binary: Bytes,
    pub integers: Vec<u8>,
    pub colour: Colour,
    pub shape: Shape,
    pub inner: Reading,
}

pub fn reading() -> Reading {
    Reading { sensor: "wind".into(), at: 1 << 40, value: -2.5, tags: vec!["north".into(), "mast".into()], note: None }
}

pub fn everything() -> Everything {
    Everything {
        small: -128,
        big: u64::MAX,
        negative: i64::MIN,
        single: 0.5,
        double: 0.1,
        truth: true,
        letter: 'ß',
        text: "naïve — 漢字".into(),
        nothing: (),
        absent: None,
        present: Some(7),
        list: vec![0, 127, 128, 255, 256, 65535, 65536, u32::MAX],
        pair: (-1, "two".into()),
        map: BTreeMap::from([("one".into(), 1), ("two".into(), 2)]),
        binary: Bytes(vec![0, 1, 2, 253, 254, 255]),
        integers: vec![0, 127, 128, 255],
        colour: Colour::Green,
        shape: Shape::Rectangle { width: 3, height: 4 },
        inner: reading(),
    }
}
