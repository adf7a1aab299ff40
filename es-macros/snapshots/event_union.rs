const _: () = ::core::assert!(
    ! ::es_core::__private::overlap(< OrderEvent as ::es_core::Event > ::TYPES, & [<
    AccountEvent as ::es_core::Event > ::TYPES]),
    "member `Order` of this union has an event type, or an alias, that a member before it has too"
);
const _: () = ::core::assert!(
    ! ::es_core::__private::overlap(< TemperatureMeasured as ::es_core::Event > ::TYPES,
    & [< AccountEvent as ::es_core::Event > ::TYPES, < OrderEvent as ::es_core::Event >
    ::TYPES]),
    "member `Sensor` of this union has an event type, or an alias, that a member before it has too"
);
#[automatically_derived]
impl ::es_core::Event for Everything {
    const TYPES: &'static [::es_core::EventType] = &::es_core::__private::concat_types::<
        {
            0 + <AccountEvent as ::es_core::Event>::TYPES.len()
                + <OrderEvent as ::es_core::Event>::TYPES.len()
                + <TemperatureMeasured as ::es_core::Event>::TYPES.len()
        },
    >(
        &[
            <AccountEvent as ::es_core::Event>::TYPES,
            <OrderEvent as ::es_core::Event>::TYPES,
            <TemperatureMeasured as ::es_core::Event>::TYPES,
        ],
    );
    fn event_type(&self) -> &'static ::es_core::EventType {
        match self {
            Self::Account(__event) => {
                <AccountEvent as ::es_core::Event>::event_type(__event)
            }
            Self::Order(__event) => <OrderEvent as ::es_core::Event>::event_type(__event),
            Self::Sensor(__event) => {
                <TemperatureMeasured as ::es_core::Event>::event_type(__event)
            }
        }
    }
    fn encode(
        &self,
    ) -> ::core::result::Result<::std::string::String, ::es_core::EncodeError> {
        match self {
            Self::Account(__event) => <AccountEvent as ::es_core::Event>::encode(__event),
            Self::Order(__event) => <OrderEvent as ::es_core::Event>::encode(__event),
            Self::Sensor(__event) => {
                <TemperatureMeasured as ::es_core::Event>::encode(__event)
            }
        }
    }
    fn decode(
        __stored: ::es_core::EncodedEvent<'_>,
    ) -> ::core::result::Result<Self, ::es_core::DecodeError> {
        if ::es_core::__private::owns(
            <AccountEvent as ::es_core::Event>::TYPES,
            __stored,
        ) {
            return ::core::result::Result::map(
                <AccountEvent as ::es_core::Event>::decode(__stored),
                Self::Account,
            );
        }
        if ::es_core::__private::owns(
            <OrderEvent as ::es_core::Event>::TYPES,
            __stored,
        ) {
            return ::core::result::Result::map(
                <OrderEvent as ::es_core::Event>::decode(__stored),
                Self::Order,
            );
        }
        if ::es_core::__private::owns(
            <TemperatureMeasured as ::es_core::Event>::TYPES,
            __stored,
        ) {
            return ::core::result::Result::map(
                <TemperatureMeasured as ::es_core::Event>::decode(__stored),
                Self::Sensor,
            );
        }
        ::es_core::__private::unknown_type(__stored)
    }
}
#[automatically_derived]
impl ::core::convert::From<AccountEvent> for Everything {
    fn from(__event: AccountEvent) -> Self {
        Self::Account(__event)
    }
}
#[automatically_derived]
impl ::core::convert::From<OrderEvent> for Everything {
    fn from(__event: OrderEvent) -> Self {
        Self::Order(__event)
    }
}
#[automatically_derived]
impl ::core::convert::From<TemperatureMeasured> for Everything {
    fn from(__event: TemperatureMeasured) -> Self {
        Self::Sensor(__event)
    }
}
