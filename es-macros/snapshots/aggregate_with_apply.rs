#[automatically_derived]
impl ::es_core::Aggregate for Account {
    type Id = AccountId;
    type Event = AccountEvent;
    fn apply(&mut self, __event: AccountEvent) {
        #[allow(dead_code)]
        trait NoSuchInherentFunction {
            fn apply(&self) {}
        }
        impl NoSuchInherentFunction for Account {}
        Account::apply(self, __event)
    }
    fn snapshots() -> ::es_core::Snapshots<Self> {
        ::es_core::Snapshots::slower_than(::core::time::Duration::from_millis(20))
    }
    fn caching() -> ::es_core::Caching<Self> {
        {
            #[allow(unused_imports)]
            use ::es_core::__private::{Copied as _, Loaded as _};
            (&::es_core::__private::State::<Self>::HERE).caching()
        }
    }
}
