//! Stores that a test opens, each for one run.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use crate::error::BoxError;
use crate::read_model::ReadModelStore;

/// What a test's way to open a store may come to: a fresh, empty store; a `(store, guard)` pair, when something has to live as
/// long as the store; a `Result` with either.
///
/// The guard is dropped when the run has ended. So a guard that asks [`std::thread::panicking`] learns whether the run failed, and
/// can leave a database behind for whoever looks into it.
///
/// # Example: a folder that goes when the run has ended
///
/// ```
/// # struct Folder;
/// # impl Folder { fn create() -> std::io::Result<Self> { Ok(Self) } }
/// use es_core::testing::TestStore;
/// use es_memory::MemoryStore;
///
/// async fn open() -> std::io::Result<(MemoryStore, Folder)> {
///     Ok((MemoryStore::new(), Folder::create()?))
/// }
///
/// fn will_do<T: TestStore>(_: impl Future<Output = T>) {}
/// will_do(open());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store that a read model can be tested on",
    label = "not a store that keeps read models",
    note = "return the store, `(store, guard)`, or a `Result` with either"
)]
pub trait TestStore {
    /// The store.
    type Store: ReadModelStore;

    /// The store, and what has to live as long as it.
    ///
    /// # Errors
    /// Why there is no store.
    fn into_parts(self) -> Result<(Self::Store, Box<dyn Any + Send + Sync>), BoxError>;
}

impl<S: ReadModelStore> TestStore for S {
    type Store = S;

    fn into_parts(self) -> Result<(S, Box<dyn Any + Send + Sync>), BoxError> {
        Ok((self, Box::new(())))
    }
}

impl<S: ReadModelStore, G: Send + Sync + 'static> TestStore for (S, G) {
    type Store = S;

    fn into_parts(self) -> Result<(S, Box<dyn Any + Send + Sync>), BoxError> {
        Ok((self.0, Box::new(self.1)))
    }
}

impl<T: TestStore, E: Into<BoxError>> TestStore for Result<T, E> {
    type Store = T::Store;

    fn into_parts(self) -> Result<(T::Store, Box<dyn Any + Send + Sync>), BoxError> {
        self.map_err(Into::into)?.into_parts()
    }
}

/// A future that moves with the test from thread to thread.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Opens a store for each run.
pub(super) type Open<S> = Box<dyn Fn() -> Boxed<Opened<S>> + Send + Sync>;

/// A store for one run.
pub(super) struct Opened<S> {
    pub(super) store: S,
    _guard: Box<dyn Any + Send + Sync>,
}

impl<S: ReadModelStore> Opened<S> {
    pub(super) fn new(opened: impl TestStore<Store = S>) -> Self {
        match opened.into_parts() {
            Ok((store, guard)) => Self { store, _guard: guard },
            Err(error) => panic!("the store could not be opened: {error:?}"),
        }
    }
}
