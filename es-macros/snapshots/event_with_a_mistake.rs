::core::compile_error! {
    "version 2 lacks upcasters: add `upcast(1 = from_1_to_2)`, so that older events stay readable"
}
#[automatically_derived]
impl ::es_core::Event for OrderEvent {
    const TYPES: &'static [::es_core::EventType] = &[];
    fn event_type(&self) -> &'static ::es_core::EventType {
        ::core::unreachable!()
    }
    fn encode(
        &self,
    ) -> ::core::result::Result<::std::string::String, ::es_core::EncodeError> {
        ::core::unreachable!()
    }
    fn decode(
        _: ::es_core::EncodedEvent<'_>,
    ) -> ::core::result::Result<Self, ::es_core::DecodeError> {
        ::core::unreachable!()
    }
}
#[automatically_derived]
impl ::es_core::AggregateEvent for OrderEvent {
    const CATEGORY: &'static ::core::primitive::str = "";
}
#[automatically_derived]
impl ::core::convert::From<OrderPlaced> for OrderEvent {
    fn from(__event: OrderPlaced) -> Self {
        Self::Placed(__event)
    }
}
#[automatically_derived]
impl ::es_core::IntoEvents<OrderEvent> for OrderPlaced {
    fn append_to(self, __events: &mut ::std::vec::Vec<OrderEvent>) {
        __events.push(OrderEvent::Placed(self));
    }
}
#[automatically_derived]
impl<__Aggregate> ::es_core::Dispatch<__Aggregate> for OrderEvent
where
    __Aggregate: ?::core::marker::Sized + ::es_core::Apply<OrderPlaced>,
{
    fn dispatch(self, __aggregate: &mut __Aggregate) {
        match self {
            Self::Placed(__event) => ::es_core::Apply::apply(__aggregate, __event),
        }
    }
}
