"""Jobs: how far the photos of an upload are."""

from uuid import UUID

from core import errors, gallery
from web.api import cursors
from web.api.models.jobs import ItemsQuery, Job, JobItem, JobItemPage
from web.api.routes import Routes
from web.services import services

routes = Routes("jobs", "Photos that were handed in together.")


@routes.route("GET", "/jobs/<uuid:job_id>", problems=[errors.JobNotFound])
def get_job(job_id: UUID) -> Job:
    """Get a job with its counts."""
    with services().pool.connection() as conn:
        return Job.of(gallery.job(conn, job_id))


@routes.route("GET", "/jobs/<uuid:job_id>/items", problems=[errors.JobNotFound])
def list_job_items(job_id: UUID, query: ItemsQuery) -> JobItemPage:
    """List the photos of a job, in the order in which they were sent."""
    after = cursors.after_position(query)
    with services().pool.connection() as conn:
        gallery.job(conn, job_id)
        found = gallery.items(conn, job_id, limit=query.limit + 1, after=after, state=query.state)
    rows, next_cursor = cursors.page(query, found, lambda row: row.position)
    return JobItemPage(items=[JobItem.of(row) for row in rows], next_cursor=next_cursor)
