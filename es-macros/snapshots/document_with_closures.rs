#[automatically_derived]
impl ::es_core::Document for Balance {
    const NAME: &'static ::core::primitive::str = "balance";
    type Event = AccountEvent;
    fn key(__event: &::es_core::Recorded<AccountEvent>) -> impl ::es_core::IntoKeys {
        ::es_core::__private::keys(__event, |event| &event.event.owner)
    }
    fn apply(&mut self, __event: &::es_core::Recorded<AccountEvent>) {
        let __function: fn(&mut Self, &::es_core::Recorded<AccountEvent>) = |
            balance,
            event|
        balance.0 += event.cents;
        __function(self, __event)
    }
    fn is_deleted(&self) -> ::core::primitive::bool {
        let __function: fn(&Self) -> ::core::primitive::bool = |balance| balance.0 == 0;
        __function(self)
    }
}
