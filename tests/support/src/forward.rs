//! Stores of tests that are another store but for a few methods.

/// Hands methods on to the store in a field, as they are: in an `impl` of `EventStore` or of `ReadModelStore`, those that the test has
/// nothing to do with. Methods that have a default keep it, unless they are named.
///
/// The crate that uses it depends on es-core, and on uuid where it hands on `claim`.
///
/// ```ignore
/// impl EventStore for Counting {
///     es_test_support::forward! { inner: find_key fold_stream read_stream read_log log_end }
///
///     async fn append(&self, append: Append) -> Result<Appended, Error> {
///         self.appends.fetch_add(1, Ordering::SeqCst);
///         self.inner.append(append).await
///     }
/// }
/// ```
#[macro_export]
macro_rules! forward {
    ($store:ident: $($method:ident)*) => {
        $($crate::forward! { @$method $store })*
    };
    (@append $store:ident) => {
        $crate::forward_one! { $store EventStore append(append: ::es_core::Append) -> ::es_core::Appended }
    };
    (@find_key $store:ident) => {
        $crate::forward_one! { $store EventStore find_key(key: &::es_core::IdempotencyKey) -> Option<::es_core::KeyUse> }
    };
    (@fold_stream $store:ident) => {
        $crate::forward_one! {
            $store EventStore fold_stream(stream: &::es_core::StreamId, state: Option<u32>, fold: &mut dyn ::es_core::Fold)
                -> ()
        }
    };
    (@read_stream $store:ident) => {
        $crate::forward_one! {
            $store EventStore read_stream(read: ::es_core::ReadStream, visit: &mut ::es_core::Visit<'_>)
                -> ()
        }
    };
    (@read_log $store:ident) => {
        $crate::forward_one! {
            $store EventStore read_log(read: ::es_core::ReadLog, visit: &mut ::es_core::Visit<'_>)
                -> ::es_core::LogPage
        }
    };
    (@read_conversation $store:ident) => {
        $crate::forward_one! {
            $store EventStore read_conversation(read: ::es_core::ReadConversation, visit: &mut ::es_core::Visit<'_>)
                -> Option<::es_core::Bookmark>
        }
    };
    (@find_event $store:ident) => {
        $crate::forward_one! { $store EventStore find_event(id: ::es_core::EventId, visit: &mut ::es_core::Visit<'_>) -> () }
    };
    (@log_end $store:ident) => { $crate::forward_one! { $store EventStore log_end() -> ::es_core::Position } };
    (@save_snapshot $store:ident) => {
        $crate::forward_one! { $store EventStore save_snapshot(snapshot: ::es_core::Snapshot) -> () }
    };
    (@offer_snapshot $store:ident) => {
        fn offer_snapshot(&self, snapshot: ::es_core::Snapshot) {
            ::es_core::EventStore::offer_snapshot(&self.$store, snapshot);
        }
    };
    (@delete_snapshots $store:ident) => {
        $crate::forward_one! { $store EventStore delete_snapshots(stream: &::es_core::StreamId) -> () }
    };
    (@register $store:ident) => {
        $crate::forward_one! { $store ReadModelStore register(registration: &::es_core::Registration) -> bool }
    };
    (@taken_in $store:ident) => {
        $crate::forward_one! { $store ReadModelStore taken_in(id: &::es_core::ProjectionId) -> Option<::es_core::TakenIn> }
    };
    (@take_up $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore take_up(id: &::es_core::ProjectionId, wanted: &::es_core::EventFilter)
                -> ()
        }
    };
    (@parts $store:ident) => {
        $crate::forward_one! { $store ReadModelStore parts(id: &::es_core::ProjectionId) -> Vec<::es_core::Slices> }
    };
    (@claim $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore claim(id: &::es_core::ProjectionId, first: u16, owner: ::uuid::Uuid, lease: ::std::time::Duration)
                -> ::es_core::Claim
        }
    };
    (@renew $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore renew(held: &::es_core::Lease, lease: ::std::time::Duration, pulse: &::es_core::Pulse)
                -> ::es_core::Renewal
        }
    };
    (@release $store:ident) => { $crate::forward_one! { $store ReadModelStore release(held: &::es_core::Lease) -> () } };
    (@report_stop $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore report_stop(held: &::es_core::Lease, reason: &str, class: ::es_core::FailureClass)
                -> ()
        }
    };
    (@control $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore control(id: &::es_core::ProjectionId, control: ::es_core::Control)
                -> ::es_core::ControlAnswer
        }
    };
    (@divide $store:ident) => {
        $crate::forward_one! { $store ReadModelStore divide(id: &::es_core::ProjectionId) -> bool }
    };
    (@projections $store:ident) => {
        $crate::forward_one! { $store ReadModelStore projections() -> Vec<::es_core::ProjectionStatus> }
    };
    (@reached $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore reached(ids: &[::es_core::ProjectionId], written: Option<&::es_core::Written>)
                -> Vec<Option<::es_core::Reached>>
        }
    };
    (@serving $store:ident) => {
        $crate::forward_one! { $store ReadModelStore serving(name: &str) -> Option<::es_core::ProjectionId> }
    };
    (@drop_projection $store:ident) => {
        $crate::forward_one! { $store ReadModelStore drop_projection(id: &::es_core::ProjectionId) -> bool }
    };
    (@list_dead_letters $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore list_dead_letters(id: &::es_core::ProjectionId, after: ::es_core::Position, limit: u32)
                -> Vec<::es_core::DeadLetter>
        }
    };
    (@get_documents $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore get_documents(id: &::es_core::ProjectionId, keys: &[String])
                -> Vec<Option<String>>
        }
    };
    (@list_documents $store:ident) => {
        $crate::forward_one! {
            $store ReadModelStore list_documents(id: &::es_core::ProjectionId, query: &::es_core::DocumentQuery)
                -> Vec<(String, String)>
        }
    };
    (@position_at $store:ident) => {
        $crate::forward_one! { $store ReadModelStore position_at(time: ::es_core::Timestamp) -> ::es_core::Position }
    };
    (@appended $store:ident) => {
        fn appended(&self) -> impl ::std::future::Future<Output = ()> + Send {
            ::es_core::ReadModelStore::appended(&self.$store)
        }
    };
    (@advanced $store:ident) => {
        fn advanced(&self) -> impl ::std::future::Future<Output = ()> + Send {
            ::es_core::ReadModelStore::advanced(&self.$store)
        }
    };
    (@is_transient $store:ident) => {
        fn is_transient(&self, error: &::es_core::BoxError) -> bool {
            ::es_core::ReadModelStore::is_transient(&self.$store, error)
        }
    };
    (@is_too_slow $store:ident) => {
        fn is_too_slow(&self, error: &::es_core::BoxError) -> bool {
            ::es_core::ReadModelStore::is_too_slow(&self.$store, error)
        }
    };
}

/// One of them.
#[doc(hidden)]
#[macro_export]
macro_rules! forward_one {
    ($store:ident $trait:ident $method:ident($($argument:ident: $kind:ty),*) -> $answer:ty) => {
        async fn $method(&self, $($argument: $kind),*) -> Result<$answer, ::es_core::Error> {
            ::es_core::$trait::$method(&self.$store, $($argument),*).await
        }
    };
}
