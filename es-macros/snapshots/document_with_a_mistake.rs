::core::compile_error! {
    "incomplete document: write `#[document(…)]` with `apply = Balance::apply`"
}
::core::compile_error! {
    "`Balances` cannot be the name of documents: 1 to 40 lower-case letters, digits and `_`, with a letter first"
}
#[automatically_derived]
impl ::es_core::Document for Balance {
    const NAME: &'static ::core::primitive::str = "";
    type Event = AccountEvent;
    fn key(_: &::es_core::Recorded<AccountEvent>) -> impl ::es_core::IntoKeys {}
    fn apply(&mut self, _: &::es_core::Recorded<AccountEvent>) {}
}
