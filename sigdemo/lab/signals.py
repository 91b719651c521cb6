"""The signals of the lab. They are stock Django signals: whoever sends them knows no receiver."""

from django.dispatch import Signal

work_wanted = Signal()  # lane: LabLane
async_work_wanted = Signal()  # lane: LabLane
queued_work_wanted = Signal()  # lane: LabLane
crash_wanted = Signal()  # sent by the crash test, whose workers are going to be killed; lane: LabLane
