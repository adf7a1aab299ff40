#[automatically_derived]
impl ::es_core::Event for OrderEvent {
    const TYPES: &'static [::es_core::EventType] = &[
        ::es_core::EventType::new("order", "order.placed"),
        ::es_core::EventType::new("order", "order.paid"),
    ];
    fn event_type(&self) -> &'static ::es_core::EventType {
        let __index = match self {
            Self::Placed { .. } => 0,
            Self::Paid { .. } => 1,
        };
        &<Self as ::es_core::Event>::TYPES[__index]
    }
    fn encode(
        &self,
    ) -> ::core::result::Result<::std::string::String, ::es_core::EncodeError> {
        ::es_core::__private::encode_variant(
            self,
            <Self as ::es_core::Event>::event_type(self),
        )
    }
    fn decode(
        __stored: ::es_core::EncodedEvent<'_>,
    ) -> ::core::result::Result<Self, ::es_core::DecodeError> {
        if __stored.category != "order" {
            return ::es_core::__private::unknown_type(__stored);
        }
        let __index: ::core::primitive::u32 = match __stored.event_type {
            "order.placed" => 0,
            "order.paid" => 1,
            _ => return ::es_core::__private::unknown_type(__stored),
        };
        let __type = &<Self as ::es_core::Event>::TYPES[__index
            as ::core::primitive::usize];
        ::es_core::__private::decode_variant(__stored, __type, __index)
    }
}
#[automatically_derived]
impl ::es_core::AggregateEvent for OrderEvent {
    const CATEGORY: &'static ::core::primitive::str = "order";
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
impl ::core::convert::From<payment::Paid> for OrderEvent {
    fn from(__event: payment::Paid) -> Self {
        Self::Paid(__event)
    }
}
#[automatically_derived]
impl ::es_core::IntoEvents<OrderEvent> for payment::Paid {
    fn append_to(self, __events: &mut ::std::vec::Vec<OrderEvent>) {
        __events.push(OrderEvent::Paid(self));
    }
}
#[automatically_derived]
impl<__Aggregate> ::es_core::Dispatch<__Aggregate> for OrderEvent
where
    __Aggregate: ?::core::marker::Sized + ::es_core::Apply<OrderPlaced>
        + ::es_core::Apply<payment::Paid>,
{
    fn dispatch(self, __aggregate: &mut __Aggregate) {
        match self {
            Self::Placed(__event) => ::es_core::Apply::apply(__aggregate, __event),
            Self::Paid(__event) => ::es_core::Apply::apply(__aggregate, __event),
        }
    }
}
