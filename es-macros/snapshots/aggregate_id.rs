#[automatically_derived]
impl ::es_core::AggregateId for AccountId {
    fn to_text(&self) -> ::es_core::__private::Cow<'_, ::core::primitive::str> {
        <Uuid as ::es_core::AggregateId>::to_text(&self.0)
    }
    fn from_text(
        __text: &::core::primitive::str,
    ) -> ::core::result::Result<Self, ::es_core::InvalidId> {
        match <Uuid as ::es_core::AggregateId>::from_text(__text) {
            ::core::result::Result::Ok(__inner) => {
                ::core::result::Result::Ok(Self { 0: __inner })
            }
            ::core::result::Result::Err(_) => {
                ::core::result::Result::Err(
                    ::es_core::InvalidId::new("AccountId", __text),
                )
            }
        }
    }
}
#[automatically_derived]
impl ::core::fmt::Display for AccountId {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        __f.pad(&<Uuid as ::es_core::AggregateId>::to_text(&self.0))
    }
}
#[automatically_derived]
impl ::core::str::FromStr for AccountId {
    type Err = ::es_core::InvalidId;
    fn from_str(
        __text: &::core::primitive::str,
    ) -> ::core::result::Result<Self, ::es_core::InvalidId> {
        match <Uuid as ::es_core::AggregateId>::from_text(__text) {
            ::core::result::Result::Ok(__inner) => {
                ::core::result::Result::Ok(Self { 0: __inner })
            }
            ::core::result::Result::Err(_) => {
                ::core::result::Result::Err(
                    ::es_core::InvalidId::new("AccountId", __text),
                )
            }
        }
    }
}
