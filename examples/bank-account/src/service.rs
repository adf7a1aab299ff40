//! What the bank offers, on any store.

use std::time::Duration;

use es_core::{Context, EventStore, EventStoreExt, ExecuteError, Handle, HandleWith, IntoEvents, Outcome};

use crate::domain::{Account, AccountCommand, AccountError, AccountEvent};

/// Why a command did not go through: the bank said no, or the store could not be reached.
pub type Refusal = ExecuteError<AccountError>;

/// Why a transfer did not go through. In either case no money is gone.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Nothing was taken from the sender.
    #[error("nothing was taken: {0}")]
    NotTaken(#[source] Refusal),
    /// The receiver could not take it, and the sender has it back.
    #[error("given back to the sender: {0}")]
    GivenBack(#[source] Refusal),
    /// The sender's money could not be given back right now. The withdrawal stands in the sender's stream, and this error
    /// carries it, so that the deposit can be repeated.
    #[error("withdrawn at version {} of the sender's account, and neither delivered nor given back: {reason}", withdrawn.version)]
    Undelivered { withdrawn: Box<Outcome<Account>>, reason: Refusal },
}

/// Moves money from one account to another: two streams, so two steps, and a third one back if the second is refused.
///
/// All steps belong to one conversation, and each names its cause, so that the log tells the whole story.
pub async fn transfer(
    store: &impl EventStore,
    from: &str,
    to: &str,
    amount: u64,
) -> Result<Outcome<Account>, TransferError> {
    let withdraw = AccountCommand::Withdraw { id: from.to_owned(), amount };
    let withdrawn = store.execute(withdraw).await.map_err(TransferError::NotTaken)?;
    let Err(refusal) = deposit_because_of(store, &withdrawn, to, amount).await else { return Ok(withdrawn) };
    if !refusal.is_rejected() {
        return Err(TransferError::Undelivered { withdrawn: Box::new(withdrawn), reason: refusal });
    }
    match deposit_because_of(store, &withdrawn, from, amount).await {
        Ok(_) => Err(TransferError::GivenBack(refusal)),
        Err(reason) => Err(TransferError::Undelivered { withdrawn: Box::new(withdrawn), reason }),
    }
}

async fn deposit_because_of(
    store: &impl EventStore,
    withdrawn: &Outcome<Account>,
    to: &str,
    amount: u64,
) -> Result<Outcome<Account>, Refusal> {
    let deposit = store.execute(AccountCommand::Deposit { id: to.to_owned(), amount });
    match withdrawn.events.first() {
        Some(cause) => deposit.caused_by(cause).await,
        None => deposit.await,
    }
}

/// Another house's service that has to be asked while deciding, and takes its time to answer.
#[derive(Debug)]
pub struct FraudCheck {
    pub takes: Duration,
}

impl FraudCheck {
    async fn ask(&self, _: &AccountCommand) {
        tokio::time::sleep(self.takes).await;
    }
}

impl HandleWith<AccountCommand, FraudCheck> for Account {
    type Error = AccountError;

    async fn handle_with(
        &self,
        command: AccountCommand,
        context: &Context,
        fraud_check: &FraudCheck,
    ) -> Result<impl IntoEvents<AccountEvent>, AccountError> {
        fraud_check.ask(&command).await;
        self.handle(command, context)
    }
}
