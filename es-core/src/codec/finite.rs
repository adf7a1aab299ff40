//! Writes JSON without losing numbers in silence: `serde_json` writes one that is not finite as `null`, which an `Option` reads as
//! `None`. Documents and snapshots are written by it, too.

use std::cell::Cell;
use std::fmt::Display;

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

/// What most events have room in, and no thread keeps more for the next one.
const KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    /// Where a text is written before its length is known, so that it is allocated once, and as long as it is.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The JSON of a value that is kept and read again. Refuses what `serde_json` refuses, and numbers that are not finite, wherever
/// they are.
pub(crate) fn to_json<T: ?Sized + Serialize>(value: &T) -> Result<String, serde_json::Error> {
    // Whoever writes another value while it writes this one finds an empty buffer there, and fills it.
    let mut buffer = BUFFER.take();
    let written = write_json(value, &mut buffer);
    let json = written.and_then(|()| std::str::from_utf8(&buffer).map(str::to_owned).map_err(Error::custom));
    if buffer.capacity() <= KEPT_BYTES {
        BUFFER.set(buffer);
    }
    json
}

fn write_json<T: ?Sized + Serialize>(value: &T, json: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    json.clear();
    value.serialize(Finite { to: &mut serde_json::Serializer::new(json), field: None })
}

/// Passes all on to `S`, down to the last element, but for numbers that are not finite. It remembers the field that it is in, for
/// those who look for the number.
struct Finite<S> {
    to: S,
    field: Option<&'static str>,
}

/// A value inside, which is written in the same way.
struct Inside<'a, T: ?Sized> {
    value: &'a T,
    field: Option<&'static str>,
}

impl<T: ?Sized + Serialize> Serialize for Inside<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Finite { to, field: self.field })
    }
}

#[cold]
fn not_finite<E: Error>(number: impl Display, field: Option<&'static str>) -> E {
    let place = field.map(|field| format!(", in field `{field}`")).unwrap_or_default();
    E::custom(format_args!("a number that is not finite ({number}{place}) cannot be kept in JSON"))
}

macro_rules! values {
    ($($method:ident($($name:ident: $kind:ty),*);)*) => {$(
        fn $method(self $(, $name: $kind)*) -> Result<S::Ok, S::Error> {
            self.to.$method($($name),*)
        }
    )*};
}

macro_rules! heads {
    ($($method:ident($($name:ident: $kind:ty),*) -> $Compound:ident;)*) => {$(
        fn $method(self $(, $name: $kind)*) -> Result<Self::$Compound, S::Error> {
            Ok(Finite { to: self.to.$method($($name),*)?, field: self.field })
        }
    )*};
}

impl<S: Serializer> Serializer for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Finite<S::SerializeSeq>;
    type SerializeTuple = Finite<S::SerializeTuple>;
    type SerializeTupleStruct = Finite<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Finite<S::SerializeTupleVariant>;
    type SerializeMap = Finite<S::SerializeMap>;
    type SerializeStruct = Finite<S::SerializeStruct>;
    type SerializeStructVariant = Finite<S::SerializeStructVariant>;

    fn serialize_f32(self, number: f32) -> Result<S::Ok, S::Error> {
        if number.is_finite() { self.to.serialize_f32(number) } else { Err(not_finite(number, self.field)) }
    }

    fn serialize_f64(self, number: f64) -> Result<S::Ok, S::Error> {
        if number.is_finite() { self.to.serialize_f64(number) } else { Err(not_finite(number, self.field)) }
    }

    values! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    heads! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        Ok(Finite { to: self.to.serialize_tuple_variant(name, index, variant, len)?, field: self.field })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        Ok(Finite { to: self.to.serialize_struct_variant(name, index, variant, len)?, field: self.field })
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.to.serialize_some(&Inside { value, field: self.field })
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.to.serialize_newtype_struct(name, &Inside { value, field: self.field })
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.to.serialize_newtype_variant(name, index, variant, &Inside { value, field: self.field })
    }

    fn collect_str<T: ?Sized + Display>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.to.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.to.is_human_readable()
    }
}

/// What has elements without names.
macro_rules! elements {
    ($($Compound:ident { $($method:ident),* })*) => {$(
        impl<S: $Compound> $Compound for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            $(fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), S::Error> {
                self.to.$method(&Inside { value, field: self.field })
            })*

            fn end(self) -> Result<S::Ok, S::Error> {
                self.to.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq { serialize_element }
    SerializeTuple { serialize_element }
    SerializeTupleStruct { serialize_field }
    SerializeTupleVariant { serialize_field }
    SerializeMap { serialize_key, serialize_value }
}

macro_rules! fields {
    ($($Compound:ident)*) => {$(
        impl<S: $Compound> $Compound for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
                self.to.serialize_field(key, &Inside { value, field: Some(key) })
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.to.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.to.end()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

#[cfg(test)]
mod tests;
