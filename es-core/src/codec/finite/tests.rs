use std::collections::BTreeMap;

use serde_json::{json, value::RawValue};

use super::*;

#[derive(Serialize)]
struct Inner(Option<f64>);

#[derive(Serialize)]
enum Shape {
    Unit,
    Newtype(f32),
    Tuple(u8, f64),
    Struct { side: f64 },
}

#[derive(Serialize)]
struct Outer {
    celsius: Option<f64>,
    list: Vec<Inner>,
    map: BTreeMap<&'static str, f32>,
    shapes: (Shape, Shape, Shape, Shape),
    boxed: Box<Depth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u8>,
    raw: Box<RawValue>,
    value: serde_json::Value,
    large: u128,
    address: std::net::IpAddr,
}

#[derive(Serialize)]
struct Depth {
    depth: f64,
}

/// What serde writes as a map.
#[derive(Serialize)]
struct Flattened {
    name: &'static str,
    #[serde(flatten)]
    flat: Depth,
}

/// With this number in the place of that index.
fn outer(place: usize, number: f64) -> Outer {
    let at = |index| if index == place { number } else { 0.5 };
    #[allow(clippy::cast_possible_truncation, reason = "0.5 and what is not finite fit")]
    let short = |index| at(index) as f32;
    Outer {
        celsius: Some(at(0)),
        list: vec![Inner(None), Inner(Some(at(1)))],
        map: BTreeMap::from([("key", short(2))]),
        shapes: (Shape::Unit, Shape::Newtype(short(3)), Shape::Tuple(1, at(4)), Shape::Struct { side: at(5) }),
        boxed: Box::new(Depth { depth: at(6) }),
        skipped: None,
        raw: RawValue::from_string(r#"{"as": [ "it", 1e2 ]}"#.to_owned()).unwrap(),
        value: json!({ "null": null, "float": 1.5 }),
        large: u128::MAX,
        address: [127, 0, 0, 1].into(),
    }
}

#[test]
fn all_else_is_written_as_serde_json_does() {
    let value = outer(usize::MAX, 0.0);
    assert_eq!(to_json(&value).unwrap(), serde_json::to_string(&value).unwrap());
    assert_eq!(to_json("text").unwrap(), r#""text""#);
}

#[test]
fn a_number_that_is_not_finite_is_refused_wherever_it_is() {
    let fields = ["celsius", "list", "map", "shapes", "shapes", "side", "depth"];
    for (place, field) in fields.into_iter().enumerate() {
        for (number, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
            let value = outer(place, number);
            assert!(serde_json::to_string(&value).is_ok(), "serde_json writes null");
            assert_eq!(
                to_json(&value).unwrap_err().to_string(),
                format!("a number that is not finite ({name}, in field `{field}`) cannot be kept in JSON")
            );
        }
    }
}

#[test]
fn what_is_in_no_field_is_refused_without_a_name() {
    let said = "a number that is not finite (NaN) cannot be kept in JSON";
    assert_eq!(to_json(&[Some(f64::NAN)]).unwrap_err().to_string(), said);
    assert_eq!(to_json(&f32::NAN).unwrap_err().to_string(), said);
    let flattened = |depth| Flattened { name: "well", flat: Depth { depth } };
    assert_eq!(to_json(&flattened(f64::NAN)).unwrap_err().to_string(), said);
    assert_eq!(to_json(&flattened(0.5)).unwrap(), r#"{"name":"well","depth":0.5}"#);
    assert_eq!(to_json(&Key(f64::NAN)).unwrap_err().to_string(), said);
    assert_eq!(to_json(&Key(0.5)).unwrap(), r#"{"0.5":1}"#);
}

/// A map whose key is a number.
struct Key(f64);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map([(self.0, 1)])
    }
}

#[test]
fn every_finite_number_is_read_as_it_was_written() {
    let mut bits = 1_u64;
    for _ in 0..100_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (double, single) = (f64::from_bits(bits), f32::from_bits(u32::try_from(bits >> 32).unwrap()));
        if double.is_finite() {
            let read: f64 = serde_json::from_str(&to_json(&double).unwrap()).unwrap();
            assert_eq!(read.to_bits(), double.to_bits());
        }
        if single.is_finite() {
            let read: f32 = serde_json::from_str(&to_json(&single).unwrap()).unwrap();
            assert_eq!(read.to_bits(), single.to_bits());
        }
    }
}
