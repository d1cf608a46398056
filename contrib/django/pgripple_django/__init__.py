"""pgripple for Django: see docs/django-cacheops.md.

invalidate_after_commit()         asks for objects to be invalidated
invalidate_model_after_commit()   asks for whole models
wait_for_writes()                 waits until the block's writes reached Redis
middleware.WaitForWrites          does so for every request that writes
operations.RunPgrippleSQL         a migration that runs `pgripple sql`
manage.py pgripple_graph          prints a graph.yaml
"""

from .invalidation import (invalidate_after_commit,
                           invalidate_model_after_commit)
from .waiting import wait_for_writes

__all__ = ["invalidate_after_commit", "invalidate_model_after_commit",
           "wait_for_writes"]
