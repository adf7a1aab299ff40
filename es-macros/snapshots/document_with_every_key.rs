#[automatically_derived]
impl<C: Customer> ::es_core::Document for Order<C> {
    const NAME: &'static ::core::primitive::str = "orders";
    const VERSION: ::core::primitive::u32 = 2;
    const INDEXED: &'static [&'static ::core::primitive::str] = &["status", "customer"];
    type Event = OrderEvent;
    fn key(__event: &::es_core::Recorded<OrderEvent>) -> impl ::es_core::IntoKeys {
        #[allow(dead_code)]
        trait NoSuchInherentFunction {
            fn key(&self) {}
        }
        impl<C: Customer> NoSuchInherentFunction for Order<C> {}
        Order::key(__event)
    }
    fn apply(&mut self, __event: &::es_core::Recorded<OrderEvent>) {
        ::es_core::__private::apply_as_the_first(self, __event);
    }
    fn apply_as(
        &mut self,
        __key: &::core::primitive::str,
        __event: &::es_core::Recorded<OrderEvent>,
    ) {
        #[allow(dead_code)]
        trait NoSuchInherentFunction {
            fn apply_as(&self) {}
        }
        impl<C: Customer> NoSuchInherentFunction for Order<C> {}
        Order::apply_as(self, __key, __event)
    }
    fn is_deleted(&self) -> ::core::primitive::bool {
        #[allow(dead_code)]
        trait NoSuchInherentFunction {
            fn is_deleted(&self) {}
        }
        impl<C: Customer> NoSuchInherentFunction for Order<C> {}
        Order::is_deleted(self)
    }
}
