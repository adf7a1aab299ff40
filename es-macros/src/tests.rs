//! What the derives write, to be read: a change of an expansion shows in the review of `snapshots/`.
//!
//! After a change run the tests with `UPDATE_EXPECT=1`.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

use crate::derive;

type Derive = fn(&syn::DeriveInput) -> TokenStream;

fn expand(derive: Derive, input: TokenStream) -> String {
    let expansion = derive(&syn::parse2(input).unwrap());
    prettyplease::unparse(&syn::parse2(expansion).unwrap())
}

#[track_caller]
fn check(derive: Derive, input: TokenStream, expected: &ExpectFile) {
    expected.assert_eq(&expand(derive, input));
}

#[test]
fn event_enum() {
    let input = quote! {
        #[event(category = "account")]
        enum AccountEvent {
            Opened { owner: String },
            #[event(rename = "account.paid_in", alias = "account.deposited", alias = "deposited")]
            Deposited(u64, String),
            #[event(version = 3, upcast(2 = money::to_cents, 1 = to_money))]
            Withdrawn { cents: u64 },
            Closed,
        }
    };
    check(derive::event, input, &expect_file!["../snapshots/event_enum.rs"]);
}

#[test]
fn event_composed() {
    let input = quote! {
        #[event(category = "order")]
        enum OrderEvent {
            Placed(OrderPlaced),
            Paid(payment::Paid),
        }
    };
    check(derive::event, input, &expect_file!["../snapshots/event_composed.rs"]);
}

#[test]
fn event_struct() {
    let input = quote! {
        #[event(category = "sensor", alias = "sensor.read")]
        struct TemperatureMeasured {
            celsius: f64,
        }
    };
    check(derive::event, input, &expect_file!["../snapshots/event_struct.rs"]);
}

#[test]
fn event_union() {
    let input = quote! {
        #[event(union)]
        enum Everything {
            Account(AccountEvent),
            Order(OrderEvent),
            Sensor(TemperatureMeasured),
        }
    };
    check(derive::event, input, &expect_file!["../snapshots/event_union.rs"]);
}

#[test]
fn event_with_a_mistake() {
    let input = quote! {
        #[event(category = "order")]
        enum OrderEvent {
            #[event(version = 2)]
            Placed(OrderPlaced),
        }
    };
    check(derive::event, input, &expect_file!["../snapshots/event_with_a_mistake.rs"]);
}

#[test]
fn aggregate() {
    let input = quote! {
        #[aggregate(id = OrderId, event = OrderEvent, snapshot(every = 100, version = 2), cached)]
        struct Order {
            paid: bool,
        }
    };
    check(derive::aggregate, input, &expect_file!["../snapshots/aggregate.rs"]);
}

#[test]
fn aggregate_with_apply() {
    let input = quote! {
        #[aggregate(id = AccountId, event = AccountEvent, apply = Account::apply, snapshot(slower_than_ms = 20))]
        struct Account {
            balance: u64,
        }
    };
    check(derive::aggregate, input, &expect_file!["../snapshots/aggregate_with_apply.rs"]);
}

#[test]
fn command_struct() {
    let input = quote! {
        #[command(aggregate = Account, handle = Account::withdraw, error = InsufficientFunds)]
        struct Withdraw {
            #[command(id)]
            account: AccountId,
            amount: u64,
        }
    };
    check(derive::command, input, &expect_file!["../snapshots/command_struct.rs"]);
}

#[test]
fn command_enum() {
    let input = quote! {
        #[command(aggregate = Account)]
        enum AccountCommand {
            Open { id: AccountId, owner: String },
            Close(#[command(id)] AccountId),
        }
    };
    check(derive::command, input, &expect_file!["../snapshots/command_enum.rs"]);
}

#[test]
fn aggregate_with_generics() {
    let input = quote! {
        #[aggregate(id = u64, event = AccountEvent, apply = Self::apply)]
        struct Account<T: Currency, const N: usize>
        where
            T: Clone,
        {
            balances: [T; N],
        }
    };
    check(derive::aggregate, input, &expect_file!["../snapshots/aggregate_with_generics.rs"]);
}

#[test]
fn document() {
    let input = quote! {
        #[document(event = AccountEvent, apply = AccountBalance::apply)]
        struct AccountBalance {
            cents: i128,
        }
    };
    check(derive::document, input, &expect_file!["../snapshots/document.rs"]);
}

#[test]
fn document_with_every_key() {
    let input = quote! {
        #[document(event = OrderEvent, name = "orders", version = 2, key = Order::key, apply_as = Order::apply_as)]
        #[document(deleted = Order::is_deleted, indexed("status", "customer"))]
        struct Order<C: Customer> {
            status: Status,
            customer: C,
        }
    };
    check(derive::document, input, &expect_file!["../snapshots/document_with_every_key.rs"]);
}

#[test]
fn document_with_closures() {
    let input = quote! {
        #[document(event = AccountEvent, key = |event| &event.event.owner, apply = |balance, event| balance.0 += event.cents)]
        #[document(deleted = |balance| balance.0 == 0)]
        struct Balance(u64);
    };
    check(derive::document, input, &expect_file!["../snapshots/document_with_closures.rs"]);
}

#[test]
fn document_with_a_mistake() {
    let input = quote! {
        #[document(event = AccountEvent, name = "Balances")]
        struct Balance(u64);
    };
    check(derive::document, input, &expect_file!["../snapshots/document_with_a_mistake.rs"]);
}

#[test]
fn aggregate_id() {
    let input = quote! {
        struct AccountId(Uuid);
    };
    check(derive::aggregate_id, input, &expect_file!["../snapshots/aggregate_id.rs"]);
}

#[test]
fn another_crate_path_is_used_everywhere() {
    let inputs: [(Derive, TokenStream); 9] = [
        (
            derive::event,
            quote!(
                #[event(category = "a", crate = my::es)]
                enum E {
                    A(A),
                    B(B),
                }
            ),
        ),
        (
            derive::event,
            quote!(
                #[event(category = "a", version = 2, upcast(1 = up), crate = my::es)]
                struct E;
            ),
        ),
        (
            derive::event,
            quote!(
                #[event(union, crate = my::es)]
                enum E {
                    A(A),
                    B(B),
                }
            ),
        ),
        (
            derive::aggregate,
            quote!(
                #[aggregate(id = I, event = E, snapshot(every = 1), crate = my::es)]
                struct A;
            ),
        ),
        (
            derive::command,
            quote!(
                #[command(aggregate = A, handle = A::handle, error = E, crate = my::es)]
                struct C {
                    id: I,
                }
            ),
        ),
        (
            derive::aggregate_id,
            quote!(
                #[aggregate_id(crate = my::es)]
                struct I(u64);
            ),
        ),
        (
            derive::document,
            quote!(
                #[document(event = E, apply = D::apply, crate = my::es)]
                struct D;
            ),
        ),
        (
            derive::document,
            quote!(
                #[document(event = E, key = |e| e.event.id, apply_as = |_, _, _| {}, crate = my::es)]
                struct D;
            ),
        ),
        (
            derive::document,
            quote!(
                #[document(event = E, crate = my::es)]
                struct D;
            ),
        ),
    ];
    for (derive, input) in inputs {
        let expansion = expand(derive, input);
        assert!(expansion.contains("my::es::") && !expansion.contains("es_core"), "{expansion}");
    }
}

#[test]
fn the_crate_path_holds_for_stubs_too() {
    let expansion = expand(
        derive::event,
        quote!(
            #[event(crate = my::es)]
            enum E {
                A,
            }
        ),
    );
    assert!(expansion.contains("compile_error") && !expansion.contains("es_core"), "{expansion}");
}
