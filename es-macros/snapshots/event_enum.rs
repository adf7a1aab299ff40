#[automatically_derived]
impl ::es_core::Event for AccountEvent {
    const TYPES: &'static [::es_core::EventType] = &[
        ::es_core::EventType::new("account", "account.opened"),
        ::es_core::EventType::new("account", "account.paid_in")
            .with_aliases(&["account.deposited", "deposited"]),
        ::es_core::EventType::new("account", "account.withdrawn")
            .with_upcasters(
                &[
                    |__value| ::es_core::Upcast::upcast(to_money(__value)),
                    |__value| ::es_core::Upcast::upcast(money::to_cents(__value)),
                ],
            ),
        ::es_core::EventType::new("account", "account.closed"),
    ];
    fn event_type(&self) -> &'static ::es_core::EventType {
        let __index = match self {
            Self::Opened { .. } => 0,
            Self::Deposited { .. } => 1,
            Self::Withdrawn { .. } => 2,
            Self::Closed { .. } => 3,
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
        if __stored.category != "account" {
            return ::es_core::__private::unknown_type(__stored);
        }
        let __index: ::core::primitive::u32 = match __stored.event_type {
            "account.opened" => 0,
            "account.paid_in" | "account.deposited" | "deposited" => 1,
            "account.withdrawn" => 2,
            "account.closed" => 3,
            _ => return ::es_core::__private::unknown_type(__stored),
        };
        let __type = &<Self as ::es_core::Event>::TYPES[__index
            as ::core::primitive::usize];
        ::es_core::__private::decode_variant(__stored, __type, __index)
    }
}
#[automatically_derived]
impl ::es_core::AggregateEvent for AccountEvent {
    const CATEGORY: &'static ::core::primitive::str = "account";
}
#[automatically_derived]
impl<
    __Aggregate: ::es_core::Apply<Self> + ?::core::marker::Sized,
> ::es_core::Dispatch<__Aggregate> for AccountEvent {
    fn dispatch(self, __aggregate: &mut __Aggregate) {
        ::es_core::Apply::apply(__aggregate, self);
    }
}
