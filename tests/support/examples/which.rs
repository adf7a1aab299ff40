//! Prints the major version of the server that the tests would run on.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{}", es_test_support::Server::shared().await.version());
}
