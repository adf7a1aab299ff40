#[automatically_derived]
impl ::es_core::Command for AccountCommand {
    type Aggregate = Account;
    fn aggregate_id(&self) -> &<Self::Aggregate as ::es_core::Aggregate>::Id {
        match self {
            Self::Open { id: __id, .. } => __id,
            Self::Close { 0: __id, .. } => __id,
        }
    }
}
