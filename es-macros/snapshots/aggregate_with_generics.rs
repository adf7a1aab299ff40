#[automatically_derived]
impl<T: Currency, const N: usize> ::es_core::Aggregate for Account<T, N>
where
    T: Clone,
{
    type Id = u64;
    type Event = AccountEvent;
    fn apply(&mut self, __event: AccountEvent) {
        #[allow(dead_code)]
        trait NoSuchInherentFunction {
            fn apply(&self) {}
        }
        impl<T: Currency, const N: usize> NoSuchInherentFunction for Account<T, N>
        where
            T: Clone,
        {}
        Self::apply(self, __event)
    }
    fn caching() -> ::es_core::Caching<Self> {
        {
            #[allow(unused_imports)]
            use ::es_core::__private::{Copied as _, Loaded as _};
            (&::es_core::__private::State::<Self>::HERE).caching()
        }
    }
}
