//! Reads an enum's variant whose tag was stored elsewhere.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, IntoDeserializer,
    VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

/// Reads the variant numbered `index` from JSON text.
pub(super) fn variant_from_str<E: DeserializeOwned>(json: &str, index: u32) -> Result<E, serde_json::Error> {
    let mut content = serde_json::Deserializer::from_str(json);
    let event = E::deserialize(VariantDeserializer::new(&mut content, index))?;
    content.end()?;
    Ok(event)
}

/// Answers only the question "which variant, and what is in it?".
pub(super) struct VariantDeserializer<D> {
    content: D,
    index: u32,
}

impl<D> VariantDeserializer<D> {
    pub(super) fn new(content: D, index: u32) -> Self {
        Self { content, index }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for VariantDeserializer<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom(
            "an event enum must be deserialized as serde does by default, without `tag`, `content` or `untagged`",
        ))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for VariantDeserializer<D> {
    type Error = D::Error;
    type Variant = Content<D>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<D>), D::Error> {
        let tag: U32Deserializer<D::Error> = self.index.into_deserializer();
        Ok((seed.deserialize(tag)?, Content(self.content)))
    }
}

/// The content of the chosen variant.
pub(super) struct Content<D>(D);

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Content<D> {
    type Error = D::Error;

    /// Whatever was stored: an event that lost its fields stays readable.
    fn unit_variant(self) -> Result<(), D::Error> {
        IgnoredAny::deserialize(self.0).map(drop)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, D::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
