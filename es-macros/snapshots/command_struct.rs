#[automatically_derived]
impl ::es_core::Command for Withdraw {
    type Aggregate = Account;
    fn aggregate_id(&self) -> &<Self::Aggregate as ::es_core::Aggregate>::Id {
        &self.account
    }
}
#[automatically_derived]
impl ::es_core::Handle<Withdraw> for Account {
    type Error = InsufficientFunds;
    fn handle(
        &self,
        __command: Withdraw,
        __context: &::es_core::Context,
    ) -> ::core::result::Result<
        impl ::es_core::IntoEvents<<Self as ::es_core::Aggregate>::Event>,
        InsufficientFunds,
    > {
        Account::withdraw(self, __command, __context)
    }
}
