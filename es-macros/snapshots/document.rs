#[automatically_derived]
impl ::es_core::Document for AccountBalance {
    const NAME: &'static ::core::primitive::str = "account_balance";
    type Event = AccountEvent;
    fn key(__event: &::es_core::Recorded<AccountEvent>) -> impl ::es_core::IntoKeys {
        ::es_core::StreamId::id(&__event.stream)
    }
    fn apply(&mut self, __event: &::es_core::Recorded<AccountEvent>) {
        #[allow(dead_code)]
        trait NoSuchInherentFunction {
            fn apply(&self) {}
        }
        impl NoSuchInherentFunction for AccountBalance {}
        AccountBalance::apply(self, __event)
    }
}
