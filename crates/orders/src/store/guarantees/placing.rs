//! Recording what stock was taken for.

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::Error;

use super::*;

fn reserved(bench: &Bench) -> Vec<Result<Reserved>> {
    let total = Money { amount: 5, currency: "USD".parse().unwrap() };
    let reserved =
        || Reserved { lines: OrderLines::new(Vec::new()).unwrap(), total, at: bench.now() };
    let refused = Error::new(Code::InsufficientStock, "not enough is left");
    vec![Ok(reserved()), Err(refused), Ok(reserved())]
}

/// Three orders, by place.
fn order_of(bench: &Bench) -> impl Fn(usize, Reserved) -> Order + Send + Sync + use<> {
    let orders: Vec<Order> = (0..3).map(|_| bench.order()).collect();
    move |place, reserved| Order { total: reserved.total, ..orders[place].clone() }
}

fn outcomes(recorded: &[Result<Recorded>]) -> String {
    let letter = |outcome: &Result<Recorded>| match outcome {
        Ok(Recorded::New(_)) => 'n',
        Ok(Recorded::Before(_)) => 'b',
        Ok(Recorded::Undone) => 'u',
        Err(_) => 'r',
    };
    recorded.iter().map(letter).collect()
}

#[tokio::test]
async fn record_reserved_refuses_one_and_records_the_others() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let order = order_of(&bench);
        let first =
            bench.store.record_reserved(reserved(&bench), &order, Audits::default()).await.unwrap();
        assert_eq!(outcomes(&first), "nrn");
        let again =
            bench.store.record_reserved(reserved(&bench), &order, Audits::default()).await.unwrap();
        assert_eq!(outcomes(&again), "brb");
        assert_eq!(bench.dump().await.len(), 2);
    })
    .await;
}

/// Takes stock, or fails to.
type Take = fn(&Bench) -> Result<Vec<Result<Reserved>>, Fault>;

/// Places three orders. A tombstone under `mark` stands for stock: it must not be there without them.
async fn place(
    bench: &Arc<Bench>,
    mark: OrderId,
    order: Arc<impl Fn(usize, Reserved) -> Order + Send + Sync + 'static>,
    take: Take,
) -> Result<Vec<Result<Recorded>>> {
    let inner = Arc::clone(bench);
    let reserve = move |tx: Tx| {
        let bench = Arc::clone(&inner);
        async move {
            bench.store.bury(&tx, vec![mark], bench.now()).await?;
            take(&bench)
        }
    };
    let order = move |place, reserved| order(place, reserved);
    bench.store.place(reserve, order, Audits::default()).await
}

#[tokio::test]
async fn place_takes_and_records_in_one_transaction() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let (order, mark) = (Arc::new(order_of(&bench)), bench.order().id);
        let run = async |take: Take| place(&bench, mark, Arc::clone(&order), take).await;
        run(|_| Err(Fault::Refused(Error::not_found("product")))).await.unwrap_err();
        assert_eq!(bench.dump().await.len(), 0, "neither stands");
        assert_eq!(outcomes(&run(|bench| Ok(reserved(bench))).await.unwrap()), "nrn");
        assert_eq!(outcomes(&run(|bench| Ok(reserved(bench))).await.unwrap()), "brb");
        assert_eq!(bench.dump().await.len(), 3, "both stand");
    })
    .await;
}
