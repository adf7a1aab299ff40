//! What the derives write works without imports, under strict lints, beside hostile names, and with es-core under another
//! name.

#![deny(missing_docs, warnings, clippy::pedantic, unused_qualifications)]
#![allow(clippy::unwrap_used, reason = "tests may")]
#![allow(clippy::unnecessary_wraps, reason = "what decides returns a result, also if it never refuses")]

/// No import, no alias: only absolute paths can work here.
pub mod without_imports {
    /// Events.
    #[derive(es_core::Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    #[event(category = "strict")]
    #[non_exhaustive]
    pub enum StrictEvent {
        /// With upcasters and aliases.
        #[event(alias = "strict.begun", version = 2, upcast(1 = same))]
        Started {
            /// Who.
            by: String,
        },
        /// Nobody uses it any more.
        #[deprecated = "stored long ago"]
        Stopped,
        /// A number.
        Counted(u64),
    }

    fn same(old: serde_json::Value) -> serde_json::Value {
        old
    }

    /// An event by itself.
    #[derive(es_core::Event, serde::Serialize, serde::Deserialize, Debug)]
    #[event(category = "single")]
    pub struct Single;

    /// One part.
    #[derive(serde::Serialize, serde::Deserialize, Debug)]
    pub struct Part;

    /// Composed.
    #[derive(es_core::Event, serde::Serialize, serde::Deserialize, Debug)]
    #[event(category = "composed")]
    pub enum ComposedEvent {
        /// The part.
        Part(Part),
    }

    /// A union.
    #[derive(es_core::Event, Debug)]
    #[event(union)]
    pub enum AnyEvent {
        /// The one.
        Strict(StrictEvent),
        /// The other.
        Single(Single),
    }

    /// An id.
    #[derive(es_core::AggregateId, Clone, Debug)]
    pub struct Id(u64);

    /// An aggregate.
    #[derive(es_core::Aggregate, Default, Debug, serde::Serialize, serde::Deserialize)]
    #[aggregate(id = Id, event = ComposedEvent, snapshot(every = 10, version = 2))]
    pub struct Composed;

    impl es_core::Apply<Part> for Composed {
        fn apply(&mut self, _: Part) {}
    }

    /// Another.
    #[derive(es_core::Aggregate, Default, Debug)]
    #[aggregate(id = Id, event = StrictEvent, apply = Strict::apply)]
    pub struct Strict;

    impl Strict {
        fn apply(&mut self, _: StrictEvent) {
            let Self = self;
        }

        fn handle(&self, _: Count, _: &es_core::Context) -> Result<StrictEvent, std::io::Error> {
            let Self = self;
            Ok(StrictEvent::Counted(1))
        }
    }

    /// A command.
    #[derive(es_core::Command, Clone, Debug)]
    #[command(aggregate = Strict, handle = Strict::handle, error = std::io::Error)]
    pub struct Count {
        /// Whom.
        pub id: Id,
    }

    /// Several.
    #[derive(es_core::Command, Clone, Debug)]
    #[command(aggregate = Strict)]
    pub enum Several {
        /// One.
        One(#[command(id)] Id),
        /// Two.
        Two {
            /// Whom.
            id: Id,
        },
    }

    /// A document.
    #[derive(es_core::Document, Default, Debug, serde::Serialize, serde::Deserialize)]
    #[document(event = StrictEvent, apply = Told::apply, key = Told::key, deleted = Told::is_deleted, indexed("told"))]
    pub struct Told {
        /// How often.
        pub told: u64,
    }

    impl Told {
        fn key(event: &es_core::Recorded<StrictEvent>) -> Option<&str> {
            (event.version.0 > 1).then(|| event.stream.id())
        }

        fn apply(&mut self, _: &es_core::Recorded<StrictEvent>) {
            self.told += 1;
        }

        fn is_deleted(&self) -> bool {
            self.told > 9
        }
    }

    /// Another, generic.
    #[derive(es_core::Document, Default, Debug, serde::Serialize, serde::Deserialize)]
    #[document(event = AnyEvent, version = 2, apply_as = |told, key, _| told.0.push_str(key))]
    #[document(key = |event| event.stream.id(), deleted = |told| told.0.is_empty())]
    pub struct AllTold<const N: usize>(String);

    #[test]
    fn it_works() {
        use es_core::{Event as _, IntoEvents as _};
        let mut events = Vec::new();
        let context = es_core::Context::for_test();
        es_core::Handle::handle(&Strict, Count { id: Id(1) }, &context).unwrap().append_to(&mut events);
        assert_eq!(events, [StrictEvent::Counted(1)]);
        assert_eq!(
            StrictEvent::decode(es_core::EncodedEvent::new("strict", "strict.begun", 1, r#"{"by":"Ada"}"#)).unwrap(),
            StrictEvent::Started { by: "Ada".into() }
        );
    }
}

/// Everything a derive could name by accident is something else here.
mod hostile {
    #![no_implicit_prelude]
    #![allow(dead_code, non_camel_case_types, non_upper_case_globals, reason = "hostile")]
    #![allow(clippy::upper_case_acronyms, clippy::wrong_self_convention, reason = "hostile")]

    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) struct Cow;
    pub(crate) enum Ordering {}
    pub(crate) struct EventType;
    pub(crate) struct EncodedEvent;
    pub(crate) struct Recorded;
    pub(crate) struct StreamId;
    pub(crate) struct IntoKeys;
    pub(crate) struct Document;
    pub(crate) const self_: i8 = 0;
    pub(crate) const event: i8 = 0;
    pub(crate) const stored: i8 = 0;
    pub(crate) const index: i8 = 0;
    pub(crate) const text: i8 = 0;
    pub(crate) const key: i8 = 0;
    pub(crate) const function: i8 = 0;
    pub(crate) const id: i8 = 0;
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod serde_json {}
    #[allow(non_snake_case)]
    pub(crate) fn Ok() {}
    #[allow(non_snake_case)]
    pub(crate) fn Err() {}
    #[allow(non_snake_case)]
    pub(crate) fn Some() {}

    pub(crate) trait Hostile: ::core::marker::Sized {
        const TYPES: bool = false;
        const CATEGORY: bool = false;
        fn event_type(self) {}
        fn encode(self) {}
        fn decode(self) {}
        fn dispatch(self) {}
        fn apply(self) {}
        fn append_to(self) {}
        fn push(self) {}
        fn len(self) {}
        fn map(self) {}
        fn to_text(self) {}
        fn from_text(self) {}
        fn pad(self) {}
        fn aggregate_id(self) {}
        fn handle(self) {}
        fn with_aliases(self) {}
        fn with_upcasters(self) {}
        fn state_version(self) {}
        fn key(self) {}
        fn keys(self) {}
        fn into_keys(self) {}
        fn apply_as(self) {}
        fn is_deleted(self) {}
        fn id(self) {}
        fn first(self) {}
    }

    impl<T> Hostile for T {}

    fn up(old: ::serde_json::Value) -> ::serde_json::Value {
        old
    }

    #[derive(::es_core::Event, ::serde::Serialize, ::serde::Deserialize, ::core::fmt::Debug)]
    #[event(category = "hostile")]
    pub(crate) enum Event {
        Ok {
            r#type: ::core::primitive::u8,
            r#fn: (),
        },
        Some(::std::string::String),
        None,
        #[event(alias = "x", version = 2, upcast(1 = up))]
        Err(),
        TYPES,
        CATEGORY,
        Self_,
        r#type,
        Déjà(::core::primitive::u8, ::core::primitive::u8),
        index,
        A,
    }

    #[derive(::serde::Serialize, ::serde::Deserialize, ::core::fmt::Debug)]
    pub(crate) struct A;
    #[derive(::serde::Serialize, ::serde::Deserialize, ::core::fmt::Debug)]
    pub(crate) struct __E;

    #[derive(::es_core::Event, ::serde::Serialize, ::serde::Deserialize, ::core::fmt::Debug)]
    #[event(category = "letters")]
    pub(crate) enum Letters {
        TYPES(A),
        Ok(__E),
    }

    #[derive(::es_core::Event, ::core::fmt::Debug)]
    #[event(union)]
    pub(crate) enum Union {
        TYPES(Event),
        Err(Letters),
    }

    #[derive(::es_core::AggregateId, ::core::clone::Clone, ::core::fmt::Debug)]
    pub(crate) struct r#true_id {
        r#type: ::uuid::Uuid,
    }

    #[derive(
        ::es_core::Aggregate, ::core::default::Default, ::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize,
    )]
    #[aggregate(id = r#true_id, event = Letters, snapshot(slower_than_ms = 5))]
    pub(crate) struct Aggregate;

    impl ::es_core::Apply<A> for Aggregate {
        fn apply(&mut self, _: A) {}
    }

    impl ::es_core::Apply<__E> for Aggregate {
        fn apply(&mut self, _: __E) {}
    }

    #[derive(::es_core::Command, ::core::clone::Clone, ::core::fmt::Debug)]
    #[command(aggregate = Aggregate, handle = decide, error = ::std::io::Error)]
    pub(crate) enum Command {
        Ok { r#id: r#true_id },
        Err(#[command(id)] r#true_id),
    }

    #[derive(
        ::es_core::Document, ::core::default::Default, ::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize,
    )]
    #[document(event = Letters, apply = pass_by, indexed("type"))]
    pub(crate) struct r#true_document {
        r#type: ::core::primitive::u8,
    }

    fn pass_by(_: &mut r#true_document, _: &::es_core::Recorded<Letters>) {}

    #[derive(
        ::es_core::Document, ::core::default::Default, ::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize,
    )]
    #[document(event = Letters, key = |_| (), apply_as = |_, _, _| {}, deleted = |_| true)]
    pub(crate) enum Vec_ {
        #[default]
        Ok,
        None,
    }

    fn decide(_: &Aggregate, _: Command, _: &::es_core::Context) -> ::core::result::Result<(), ::std::io::Error> {
        ::core::result::Result::Ok(())
    }

    #[test]
    fn it_works() {
        let types = <Event as ::es_core::Event>::TYPES;
        for (i, name) in [(4, "types"), (5, "category"), (6, "self_"), (7, "type"), (8, "déjà"), (9, "index")] {
            ::core::assert_eq!(types[i].name(), ::std::format!("hostile.{name}"));
        }
        let error = <r#true_id as ::es_core::AggregateId>::from_text("x").unwrap_err();
        ::core::assert_eq!(::std::string::ToString::to_string(&error), "`x` is not a valid true_id");
        ::core::assert_eq!(<r#true_document as ::es_core::Document>::NAME, "true_document");
    }
}

/// es-core reached through a re-export.
mod renamed {
    mod my {
        pub(crate) mod framework {
            pub(crate) use es_core::*;
        }
    }

    use my::framework::{Aggregate, AggregateId, Apply, Command, Document, Event};

    #[derive(Event, serde::Serialize, serde::Deserialize, Debug)]
    #[event(category = "part", crate = my::framework)]
    struct Part;

    #[derive(Event, serde::Serialize, serde::Deserialize, Debug)]
    #[event(category = "whole", crate = self::my::framework)]
    enum WholeEvent {
        Part(Part),
    }

    #[derive(Event, Debug)]
    #[event(union, crate = my::framework)]
    enum AnyEvent {
        #[allow(dead_code)]
        Part(Part),
        #[allow(dead_code)]
        Whole(WholeEvent),
    }

    #[derive(AggregateId, Clone, Debug)]
    #[aggregate_id(crate = my::framework)]
    struct WholeId(u8);

    #[derive(Aggregate, Default, Debug)]
    #[aggregate(id = WholeId, event = WholeEvent, crate = my::framework)]
    struct Whole;

    impl Apply<Part> for Whole {
        fn apply(&mut self, _: Part) {}
    }

    #[derive(Command, Clone, Debug)]
    #[command(aggregate = Whole, crate = my::framework)]
    struct Change {
        id: WholeId,
    }

    #[derive(Document, Default, serde::Serialize, serde::Deserialize, Debug)]
    #[document(event = AnyEvent, key = |event| event.stream.id(), apply_as = |_, _, _| {}, crate = my::framework)]
    struct Told;

    #[test]
    fn it_works() {
        assert_eq!(Told::NAME, "told");
        assert_eq!(AnyEvent::TYPES.len(), 2);
        assert_eq!(Change { id: WholeId(7) }.aggregate_id().to_text(), "7");
    }
}

/// Types, names and functions handed in by another macro.
mod inside_a_macro {
    use es_core::{Aggregate, Apply, Command, Document, Event};
    use serde::{Deserialize, Serialize};

    macro_rules! domain {
        ($aggregate:ident, $id:ty, $event:ident, $category:literal, $($variant:ident($inner:ty)),+ ; $command:ident, $field:ident, $decide:path, $error:ty ; $document:ident, $name:literal, $apply:expr, $field_of_json:literal) => {
            #[derive(Event, Serialize, Deserialize, Debug)]
            #[event(category = $category)]
            enum $event { $($variant($inner)),+ }

            #[derive(Aggregate, Default, Debug)]
            #[aggregate(id = $id, event = $event)]
            struct $aggregate;

            $(impl Apply<$inner> for $aggregate {
                fn apply(&mut self, _: $inner) {}
            })+

            #[derive(Command, Clone, Debug)]
            #[command(aggregate = $aggregate, handle = $decide, error = $error)]
            struct $command { $field: $id }

            #[derive(Document, Default, Debug, Serialize, Deserialize)]
            #[document(event = $event, name = $name, key = |event| event.stream.id(), apply = $apply, indexed($field_of_json))]
            struct $document { told: u32 }

            #[derive(Command, Clone, Debug)]
            #[command(aggregate = $aggregate)]
            enum Others { One { #[command(id)] $field: $id }, Two(#[command(id)] $id) }
        };
    }

    #[derive(Serialize, Deserialize, Debug)]
    struct Opened;

    #[derive(Serialize, Deserialize, Debug)]
    struct Shut;

    domain!(Door, u16, DoorEvent, "door", Opened(Opened), Shut(Shut); Knock, id, knock, std::io::Error; Doors, "doors", |doors, _| doors.told += 1, "told");

    fn knock(_: &Door, _: Knock, _: &es_core::Context) -> Result<DoorEvent, std::io::Error> {
        Ok(Opened.into())
    }

    #[test]
    fn it_works() {
        assert_eq!(*Knock { id: 7 }.aggregate_id(), 7);
        assert_eq!(*Others::One { id: 8 }.aggregate_id(), 8);
        assert_eq!(*Others::Two(9).aggregate_id(), 9);
        assert_eq!((Doors::NAME, Doors::INDEXED), ("doors", &["told"][..]));
        assert_eq!(DoorEvent::from(Shut).event_type().name(), "door.shut");
    }
}
