//! `devices`: how far the rules have come with each, and whose turn it is.

use std::collections::HashSet;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx};
use crate::{
    model::{Device, Instant},
    rules::Span,
};

/// A device that this instance may work on until its lease ends.
#[derive(Clone, Debug)]
pub struct ClaimedDevice {
    /// Which.
    pub device: Device,
    /// Where there is something new.
    pub span: Span,
    /// Events of it that were there at the claim.
    pub received: i64,
    /// When that was, by the database.
    pub claimed_at: Instant,
    /// The fencing token of this claim.
    pub fence: i64,
}

impl Store {
    /// Claims at most `limit` devices with something new, those that wait
    /// longest first.
    pub async fn claim_devices(&self, limit: i64, lease: f64) -> Result<Vec<ClaimedDevice>, Fault> {
        let rows = sqlx::query!(
            r#"
            with waiting as (
                select account_id, device_id from devices
                where received > processed and (lease_until is null or lease_until <= (select app_now()))
                order by waiting_since limit $1
                for update skip locked
            )
            update devices d set lease_until = app_now() + make_interval(secs => $2), fence = d.fence + 1
            from waiting where (d.account_id, d.device_id) = (waiting.account_id, waiting.device_id)
            returning d.account_id, d.device_id, d.received, d.fence,
                d.new_from as "from!: Instant", d.new_to as "to!: Instant", app_now() as "claimed_at!: Instant"
            "#,
            limit,
            lease,
        );
        let rows = rows.fetch_all(self.pool()).await?;
        let claims = rows.into_iter().map(|row| ClaimedDevice {
            device: Device { account_id: row.account_id, device_id: row.device_id },
            span: Span { from: row.from, to: row.to },
            received: row.received,
            claimed_at: row.claimed_at,
            fence: row.fence,
        });
        Ok(claims.collect())
    }
}

impl Tx {
    /// Work on these takes longer: their leases begin anew. Answers the devices
    /// whose claims still are ours.
    pub async fn hold_devices(
        &mut self,
        claims: &[ClaimedDevice],
        lease: f64,
    ) -> Result<HashSet<Device>, Fault> {
        let (account_ids, device_ids, fences) = columns(claims);
        let rows = sqlx::query!(
            r#"
            with ours as (
                select d.account_id, d.device_id
                from unnest($1::uuid[], $2::text[], $3::bigint[]) as c (account_id, device_id, fence)
                    join devices d on (d.account_id, d.device_id, d.fence) = (c.account_id, c.device_id, c.fence)
                order by d.account_id, d.device_id
                for update of d
            )
            update devices d set lease_until = app_now() + make_interval(secs => $4)
            from ours where (d.account_id, d.device_id) = (ours.account_id, ours.device_id)
            returning d.account_id, d.device_id
            "#,
            &account_ids,
            &device_ids as &[&str],
            &fences,
            lease,
        );
        let rows = rows.fetch_all(&mut *self.inner).await?;
        let ours = rows.into_iter();
        Ok(ours.map(|row| Device { account_id: row.account_id, device_id: row.device_id }).collect())
    }

    /// The rules have seen all that was there at the claim. Answers the devices
    /// whose claims still were ours; for others nothing may be written.
    pub async fn finish_devices(&mut self, claims: &[ClaimedDevice]) -> Result<HashSet<Device>, Fault> {
        let (account_ids, device_ids, fences) = columns(claims);
        let received: Vec<_> = claims.iter().map(|claim| claim.received).collect();
        let claimed_ats: Vec<_> = claims.iter().map(|claim| claim.claimed_at).collect();
        let rows = sqlx::query!(
            r#"
            with ours as (
                select d.account_id, d.device_id, c.received, c.claimed_at
                from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[])
                        as c (account_id, device_id, fence, received, claimed_at)
                    join devices d on (d.account_id, d.device_id, d.fence) = (c.account_id, c.device_id, c.fence)
                order by d.account_id, d.device_id
                for update of d
            )
            update devices d set
                processed = ours.received,
                lease_until = null,
                waiting_since = greatest(d.waiting_since, ours.claimed_at),
                -- What came meanwhile made the span longer: it stays so.
                new_from = case when d.received > ours.received then d.new_from end,
                new_to = case when d.received > ours.received then d.new_to end
            from ours where (d.account_id, d.device_id) = (ours.account_id, ours.device_id)
            returning d.account_id, d.device_id
            "#,
            &account_ids,
            &device_ids as &[&str],
            &fences,
            &received,
            &claimed_ats as &[Instant],
        );
        let rows = rows.fetch_all(&mut *self.inner).await?;
        let ours = rows.into_iter();
        Ok(ours.map(|row| Device { account_id: row.account_id, device_id: row.device_id }).collect())
    }
}

fn columns(claims: &[ClaimedDevice]) -> (Vec<Uuid>, Vec<&str>, Vec<i64>) {
    (
        claims.iter().map(|claim| claim.device.account_id).collect(),
        claims.iter().map(|claim| &*claim.device.device_id).collect(),
        claims.iter().map(|claim| claim.fence).collect(),
    )
}
