#[automatically_derived]
impl ::es_core::Event for TemperatureMeasured {
    const TYPES: &'static [::es_core::EventType] = &[
        ::es_core::EventType::new("sensor", "sensor.temperature_measured")
            .with_aliases(&["sensor.read"]),
    ];
    fn event_type(&self) -> &'static ::es_core::EventType {
        &<Self as ::es_core::Event>::TYPES[0]
    }
    fn encode(
        &self,
    ) -> ::core::result::Result<::std::string::String, ::es_core::EncodeError> {
        ::es_core::__private::encode_struct(
            self,
            <Self as ::es_core::Event>::event_type(self),
        )
    }
    fn decode(
        __stored: ::es_core::EncodedEvent<'_>,
    ) -> ::core::result::Result<Self, ::es_core::DecodeError> {
        if !::es_core::__private::owns(<Self as ::es_core::Event>::TYPES, __stored) {
            return ::es_core::__private::unknown_type(__stored);
        }
        ::es_core::__private::decode_struct(
            __stored,
            &<Self as ::es_core::Event>::TYPES[0],
        )
    }
}
#[automatically_derived]
impl ::es_core::AggregateEvent for TemperatureMeasured {
    const CATEGORY: &'static ::core::primitive::str = "sensor";
}
#[automatically_derived]
impl<
    __Aggregate: ::es_core::Apply<Self> + ?::core::marker::Sized,
> ::es_core::Dispatch<__Aggregate> for TemperatureMeasured {
    fn dispatch(self, __aggregate: &mut __Aggregate) {
        ::es_core::Apply::apply(__aggregate, self);
    }
}
