//! Guarantees about the audit log.

use holdfast_types::{Audit, AuditTrail, KeyId, PageRequest, UserId};

use super::*;
use crate::model::{AuditEntry, AuditFilter};

const ADA: UserId = UserId::from_bytes([1; 16]);
const EVE: UserId = UserId::from_bytes([2; 16]);
const ROBOT: KeyId = KeyId::from_bytes([3; 16]);

impl Bench {
    fn audit(&self, actor: UserId, key: Option<KeyId>, number: u128) -> Message {
        let trail = AuditTrail {
            resource_id: Uuid::from_u128(number / 3),
            actor_id: actor,
            key_id: key,
            address: [192, 0, 2, 7].into(),
            request_id: format!("request-{number}"),
            request: "PATCH /api/products/7".to_owned(),
        };
        let action = if number.is_multiple_of(2) { "update_product" } else { "adjust_stock" };
        Audit { action, operation: Uuid::from_u128(number), trail }.message(self.now())
    }

    /// Twelve changes, a second apart, with orders between them.
    async fn fill_audit_log(&self) {
        for number in 0..12 {
            let (actor, key) = match number % 4 {
                0 => (EVE, None),
                1 => (ADA, Some(ROBOT)),
                _ => (ADA, None),
            };
            let mut batch = self.batch(2);
            batch.messages.insert(1, self.audit(actor, key, number));
            let before = self.store.collected("products").await.unwrap();
            let appended = self.store.append(&before, vec![batch], self.now()).await.unwrap();
            assert!(appended.is_some());
            self.fresh.clock.advance(Duration::from_secs(1));
        }
    }

    /// The requests of those that pass, page by page.
    async fn search(&self, filter: &AuditFilter) -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let request = PageRequest { limit: 2, after };
            let page = self.store.audit_log(filter.clone(), &request).await.unwrap();
            assert!(page.items.len() <= 2);
            found.extend(page.items.into_iter().map(|entry| entry.trail.request_id));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }
}

fn requests(numbers: &[u128]) -> Vec<String> {
    numbers.iter().map(|number| format!("request-{number}")).collect()
}

#[tokio::test]
async fn audit_log_has_what_was_appended_and_finds_it_the_newest_first() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let began = bench.now();
        bench.fill_audit_log().await;
        let all = AuditFilter::default();
        assert_eq!(bench.search(&all).await, requests(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]));
        let search = async |filter: AuditFilter| bench.search(&filter).await;
        let eve = AuditFilter { actor: Some(EVE), ..all.clone() };
        assert_eq!(search(eve.clone()).await, requests(&[8, 4, 0]));
        let robot = AuditFilter { key: Some(ROBOT), ..all.clone() };
        assert_eq!(search(robot).await, requests(&[9, 5, 1]));
        let resource = AuditFilter { resource: Some(Uuid::from_u128(2)), ..all.clone() };
        assert_eq!(search(resource).await, requests(&[8, 7, 6]));
        let action = AuditFilter { action: Some("adjust_stock".into()), ..all.clone() };
        assert_eq!(search(action).await, requests(&[11, 9, 7, 5, 3, 1]));
        let request = AuditFilter { request_id: Some("request-7".into()), ..all.clone() };
        assert_eq!(search(request).await, requests(&[7]));
        let (from, to) = (began.plus(Duration::from_secs(4)), began.plus(Duration::from_secs(8)));
        let then = AuditFilter { from: Some(from), to: Some(to), ..all.clone() };
        assert_eq!(search(then.clone()).await, requests(&[7, 6, 5, 4]));
        let of_eve = AuditFilter { actor: Some(EVE), ..then };
        assert_eq!(search(of_eve).await, requests(&[4]));
        let nobody = AuditFilter { action: Some("place_order".into()), ..eve };
        assert_eq!(search(nobody).await, requests(&[]));
        assert_eq!(bench.store.audit().await.unwrap(), (36, Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn forget_audit_log_and_forget_are_two_things() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.fill_audit_log().await;
        bench.store.forget(bench.now()).await.unwrap();
        assert_eq!(bench.search(&AuditFilter::default()).await.len(), 12, "it outlives events");
        let late = bench.now().minus(Duration::from_secs(3));
        bench.store.forget_audit_log(late).await.unwrap();
        assert_eq!(bench.search(&AuditFilter::default()).await, requests(&[11, 10, 9]));
    })
    .await;
}

#[tokio::test]
async fn cut_audit_log_with_the_end_of_a_log_that_came_from_elsewhere() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.fill_audit_log().await;
        // Exported while the log grew: entries of events that the segments do not have, also where another one will be.
        let later: Vec<AuditEntry> = (37..300)
            .map(|position| AuditEntry::of(position, &bench.audit(EVE, None, 99)).unwrap())
            .collect();
        bench.store.db.load::<AuditEntry>(later).await.unwrap();
        bench.store.end_with_segments().await.unwrap();
        assert_eq!(bench.search(&AuditFilter::default()).await.len(), 12);
        bench.fill_audit_log().await;
        assert_eq!(bench.search(&AuditFilter::default()).await.len(), 24);
        assert_eq!(bench.store.audit().await.unwrap(), (72, Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn audit_finds_what_the_audit_log_lacks() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.fill_audit_log().await;
        let remove = |tx: Tx| async move {
            let found = tx.get::<AuditEntry>(key_of(5)).await?.unwrap();
            tx.delete(found).await
        };
        bench.store.db.transact(remove).await.unwrap();
        let (count, findings) = bench.store.audit().await.unwrap();
        let missing = "the audit log does not have what event 5 tells".to_owned();
        assert_eq!((count, findings), (36, vec![missing]));
        let forged = [1, 33, 37]
            .map(|position| AuditEntry::of(position, &bench.audit(ADA, None, 1)).unwrap());
        bench.store.db.load::<AuditEntry>(forged.to_vec()).await.unwrap();
        let (_, findings) = bench.store.audit().await.unwrap();
        let untold = |at: i64| format!("the audit log has an entry at {at} that no event tells");
        let expected = [untold(1), "the audit log does not have what event 5 tells".to_owned()];
        assert_eq!(findings, [&expected[..], &[untold(33), untold(37)]].concat());
        damage(&bench.store.db, "audit_log", "body").await;
        let (_, findings) = bench.store.audit().await.unwrap();
        let is_damage = |finding: &String| finding.contains("entry of the audit log");
        assert!(findings.iter().any(is_damage), "{findings:?}");
        // What cannot be read of the log of events makes no entry doubtful.
        damage(&bench.store.db, "event_segments", "body").await;
        let (_, findings) = bench.store.audit().await.unwrap();
        assert!(!findings.contains(&untold(33)), "{findings:?}");
    })
    .await;
}
