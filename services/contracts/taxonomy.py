"""The words of the field that cross a service boundary. Codes are stable; labels belong to the console."""

from enum import IntEnum, StrEnum


class Stage(StrEnum):
    """Where an incident is in the chain (design section 6)."""

    REPORTED = "reported"
    TRIAGED = "triaged"
    REVIEWING = "reviewing"
    ACTING = "acting"
    VERIFYING = "verifying"
    SHARING = "sharing"
    CHECKING = "checking_impact"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    DUPLICATE = "duplicate"

    @property
    def ended(self) -> bool:
        """Whether nobody has a move left."""
        return self in (Stage.CLOSED, Stage.WITHDRAWN, Stage.DUPLICATE)


class CaseKind(StrEnum):
    """What actions, briefings and checkpoints follow from."""

    INCIDENT = "incident"
    THEME = "theme"


class ThemeStage(StrEnum):
    """Where a thematic review is. From acting on it goes the way of an incident. Ended: it will not be finished."""

    COMMISSIONED = "commissioned"
    REVIEWING = "reviewing"
    ACTING = "acting"
    VERIFYING = "verifying"
    SHARING = "sharing"
    CHECKING = "checking_impact"
    CLOSED = "closed"
    ENDED = "ended"

    @property
    def over(self) -> bool:
        """Whether nobody has a move left."""
        return self in (ThemeStage.CLOSED, ThemeStage.ENDED)


class MemberDecision(StrEnum):
    """Whether an incident that was considered belongs to a theme."""

    LINKED = "linked"
    EXCLUDED = "excluded"


class Kind(StrEnum):
    """What sort of event is reported. A near miss reached nobody; good care is worth learning from too."""

    INCIDENT = "incident"
    NEAR_MISS = "near_miss"
    GOOD_CARE = "good_care"


class Category(StrEnum):
    """Main type of an incident in adult social care."""

    MEDICATION = "medication"
    FALL = "fall"
    CHOKING = "choking"
    PRESSURE_DAMAGE = "pressure_damage"
    ABUSE_ALLEGATION = "abuse_allegation"
    MISSING_PERSON = "missing_person"
    MISSED_VISIT = "missed_visit"
    BEHAVIOUR_DISTRESS = "behaviour_distress"
    INFECTION = "infection"
    ENVIRONMENT = "environment"
    INFORMATION = "information"
    STAFFING = "staffing"
    DEATH = "death"
    OTHER = "other"


class PhysicalHarm(StrEnum):
    """LFPSE level of physical harm."""

    NONE = "none"
    LOW = "low"
    MODERATE = "moderate"
    SEVERE = "severe"
    FATAL = "fatal"


class PsychologicalHarm(StrEnum):
    """LFPSE level of psychological harm."""

    NONE = "none"
    LOW = "low"
    MODERATE = "moderate"
    SEVERE = "severe"


class Consequence(IntEnum):
    """NPSA risk matrix (January 2008), worst credible consequence."""

    NEGLIGIBLE = 1
    MINOR = 2
    MODERATE = 3
    MAJOR = 4
    CATASTROPHIC = 5


class Likelihood(IntEnum):
    """NPSA risk matrix (January 2008), likelihood of that consequence if it happened again."""

    RARE = 1
    UNLIKELY = 2
    POSSIBLE = 3
    LIKELY = 4
    ALMOST_CERTAIN = 5


class Band(StrEnum):
    """Risk band of consequence x likelihood."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    EXTREME = "extreme"

    @property
    def urgent(self) -> bool:
        """Whether escalation must overtake everything else."""
        return self in (Band.HIGH, Band.EXTREME)

    @property
    def rank(self) -> int:
        """0 for low to 3 for extreme."""
        return list(Band).index(self)


class ReviewMethod(StrEnum):
    """Learning responses, by depth (PSIRF's menu as used in social care)."""

    HUDDLE = "swarm_huddle"
    BRIEF = "brief_fact_review"
    AFTER_ACTION = "after_action_review"
    MDT = "mdt_review"
    STRUCTURED = "structured_review"
    THEMATIC = "thematic_review"
    INVESTIGATION = "in_depth_investigation"


class Seips(StrEnum):
    """Work-system elements of SEIPS 3.0 in which a contributing factor lies."""

    PERSON = "person"
    TASKS = "tasks"
    TOOLS = "tools_and_technology"
    ORGANISATION = "organisation"
    INTERNAL_ENVIRONMENT = "internal_environment"
    EXTERNAL_ENVIRONMENT = "external_environment"


class Strength(StrEnum):
    """Action hierarchy of RCA2 (US Veterans Affairs / IHI)."""

    WEAKER = "weaker"
    INTERMEDIATE = "intermediate"
    STRONGER = "stronger"


class VerificationOutcome(StrEnum):
    """What somebody other than the owner found in practice."""

    PASSED = "passed"
    PARTLY = "partly"
    RETURNED = "returned"


class Verdict(StrEnum):
    """What an impact checkpoint concluded."""

    SUSTAINED = "improved_and_sustained"
    IMPROVING = "improving_not_yet_proven"
    NO_CHANGE = "no_change"
    WORSE = "worse"
    CANNOT_JUDGE = "cannot_judge"


class ExposureUnit(StrEnum):
    """Denominators for rates."""

    OCCUPIED_BED_DAYS = "occupied_bed_days"
    CARE_HOURS = "care_hours"


class Role(StrEnum):
    """Roles a token may carry. `service` is a machine acting for the process engine."""

    CARER = "carer"
    SHIFT_LEAD = "shift_lead"
    ON_CALL_MANAGER = "on_call_manager"
    REGISTERED_MANAGER = "registered_manager"
    REGIONAL_MANAGER = "regional_manager"
    QUALITY_LEAD = "quality_lead"
    SAFEGUARDING_LEAD = "safeguarding_lead"
    SPEAK_UP_GUARDIAN = "speak_up_guardian"
    NOMINATED_INDIVIDUAL = "nominated_individual"
    DIRECTOR = "director"
    EXECUTIVE = "executive"
    PLATFORM_ADMIN = "platform_admin"
    SERVICE = "service"


OPERATORS = (Role.PLATFORM_ADMIN, Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
"""Who sees how the system itself stands for their provider."""


class EscalationReason(StrEnum):
    """Why somebody further up must know now."""

    IMMEDIATE_DANGER = "immediate_danger"
    ALLEGATION = "allegation"
    DEATH = "death"
    POLICE = "police"
    HIGH_RISK = "high_risk"
    REPEAT = "repeat"
    OUT_OF_HOURS = "out_of_hours"
    OVERDUE = "overdue"
    OBLIGATION_LATE = "obligation_late"
    OBLIGATION_UNDECIDED = "obligation_undecided"
    CANDOUR_LATE = "candour_late"
    SAFEGUARDING_LATE = "safeguarding_late"
    BREAK_GLASS = "break_glass"
    VERIFICATION_FAILED = "verification_failed"
    SIMILAR = "similar"
    CHECK_LATE = "check_late"
    WHAT_HAPPENED = "what_happened"


class LinkRelation(StrEnum):
    """How two incidents belong together, as somebody sees it."""

    SAME_EVENT = "same_event"
    SAME_PERSON = "same_person"
    SAME_CAUSE = "same_cause"
    FOUND_LOOKING = "found_looking"


class ClockKind(StrEnum):
    """What a clock beside the stages is for. It runs through nights, weekends and holidays."""

    ESCALATION = "escalation"
    OBLIGATION = "obligation"
    CANDOUR = "candour"
    SAFEGUARDING = "safeguarding"
    CHECK = "check"


class BlockerKind(StrEnum):
    """What keeps an incident from closing."""

    OBLIGATION = "obligation"
    CANDOUR = "candour"
    SAFEGUARDING = "safeguarding"


class RecurrenceGround(StrEnum):
    """In what a new incident is like a case that was closed."""

    TYPE = "type"
    PERSON = "person"
    PLACE = "place"
    FACTOR = "factor"
    TIME_OF_DAY = "time_of_day"
    WORDING = "wording"


class RecurrenceAnswer(StrEnum):
    """Whether a closed case has come back."""

    REOPEN = "reopen"
    NOT_THE_SAME = "not_the_same"


class ObligationOutcome(StrEnum):
    """What a rule says of an obligation to tell somebody outside, by the facts known so far."""

    TRIGGERED = "triggered"
    SUGGESTED = "suggested"
    NOT_TRIGGERED = "not_triggered"


class AbuseType(StrEnum):
    """The ten types of abuse and neglect (Care and support statutory guidance, 14.17)."""

    PHYSICAL = "physical"
    DOMESTIC = "domestic"
    SEXUAL = "sexual"
    PSYCHOLOGICAL = "psychological"
    FINANCIAL = "financial_or_material"
    MODERN_SLAVERY = "modern_slavery"
    DISCRIMINATORY = "discriminatory"
    ORGANISATIONAL = "organisational"
    NEGLECT = "neglect_and_acts_of_omission"
    SELF_NEGLECT = "self_neglect"


class SafeguardingStep(StrEnum):
    """What safeguarding waits for."""

    REFERRAL = "referral"
    AUTHORITY_DECISION = "authority_decision"
    ENQUIRY_OUTCOME = "enquiry_outcome"


class HoldFor(StrEnum):
    """Whose agreement internal fact-finding waits for."""

    POLICE = "police"
    LOCAL_AUTHORITY = "local_authority"
    CORONER = "coroner"
    HSE = "hse"


class ProtectionKind(StrEnum):
    """What protects people after an incident and must be looked at again."""

    RESTRICTION = "restriction"
    BETWEEN_RESIDENTS = "between_residents"


class ProtectionEnding(StrEnum):
    """How it ended: it is not needed any more, or it goes on in the care plan with review dates of its own there."""

    LIFTED = "lifted"
    IN_CARE_PLAN = "in_care_plan"


class ProceedingKind(StrEnum):
    """A process of its own about an incident, apart from what is learned of it."""

    DISCIPLINE = "discipline"
    POLICE = "police"
    INQUEST = "inquest"
    CLAIM = "claim"


class AuthorityDecision(StrEnum):
    """What a local authority does about a referral. Its threshold is its own (Care Act 2014, section 42)."""

    ENQUIRY = "enquiry"
    OTHER_RESPONSE = "other_response"
    NO_FURTHER_ACTION = "no_further_action"


class EnquiryOutcome(StrEnum):
    """How a local authority's enquiry ended. Inconclusive is not the same as unfounded."""

    SUBSTANTIATED = "substantiated"
    PARTLY_SUBSTANTIATED = "partly_substantiated"
    NOT_SUBSTANTIATED = "not_substantiated"
    INCONCLUSIVE = "inconclusive"
    CEASED = "ceased_at_the_adults_request"


class LocationType(StrEnum):
    """What sort of service a location is, by its registered service types. A location may be of several."""

    CARE_HOME_NURSING = "care_home_nursing"
    CARE_HOME = "care_home"
    HOME_CARE = "home_care"
    SUPPORTED_LIVING = "supported_living"
    EXTRA_CARE = "extra_care"
    SHARED_LIVES = "shared_lives"
    OTHER = "other"


class Shift(StrEnum):
    """When somebody works, as a rule."""

    DAY = "day"
    NIGHT = "night"
    MIXED = "mixed"


class Employment(StrEnum):
    """How somebody is employed. Bank and agency staff are seldom there when a team meets."""

    PERMANENT = "permanent"
    BANK = "bank"
    AGENCY = "agency"


class RecordKind(StrEnum):
    """What is kept for a time and then decided about: the record of an incident, or one that is not of one incident."""

    INCIDENT = "incident"
    CONCERN = "concern"
    THEME = "theme"
    MEETING = "meeting"
    PERSON = "person"


class MeetingLevel(StrEnum):
    """At which level people meet to govern quality and safety, from the service up."""

    SERVICE = "service"
    REGION = "region"
    EXECUTIVE = "executive"
    BOARD = "board"


class GovernanceKind(StrEnum):
    """What a meeting leaves for somebody to do: what was decided, or a challenge that wants a response."""

    DECISION = "decision"
    CHALLENGE = "challenge"
