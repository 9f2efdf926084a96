"""everything said of an event as a whole is found by the event's id"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX statuses_tenant_event_id_idx")
    op.execute(
        "CREATE INDEX statuses_tenant_event_id_idx ON statuses (tenant, event_id) "
        "WHERE status = 'accepted' OR notification_id IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX statuses_tenant_event_id_idx")
    op.execute(
        "CREATE INDEX statuses_tenant_event_id_idx ON statuses (tenant, event_id) "
        "WHERE status IN ('accepted', 'event_accepted', 'event_unmatched', 'event_refused')"
    )
