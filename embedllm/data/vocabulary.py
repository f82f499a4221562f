"""What simulated questions are about: topics of ten benchmarks, and the English words that give them away."""

from embedllm.data.benchmarks import BENCHMARK_SIZES, GPQA_STYLES, GPQA_SUBSETS, MMLU_SUBJECTS

DOMAIN_WORDS = {
    "maths": "number equation integer fraction sum product angle triangle ratio percent average divisor polynomial "
    "matrix graph root prime square area speed total remainder multiply solve",
    "science": "energy force velocity electron atom molecule reaction acid temperature pressure wave orbit star "
    "quantum photon circuit voltage bond ion entropy gravity spectrum solvent magnet",
    "medicine": "patient symptom diagnosis fever drug dose artery tumour infection vaccine nerve muscle enzyme gene "
    "cell protein blood kidney liver hormone bacteria surgery therapy anatomy",
    "law": "court contract statute defendant plaintiff treaty constitution senate election president policy rights "
    "jury crime property liability evidence vote state nation war security justice appeal",
    "business": "price market demand supply inflation profit revenue tax interest loan budget firm customer brand "
    "wage trade currency asset debt manager audit stock cost insurance",
    "humanities": "empire century king religion philosopher novel poem ancient culture revolution temple moral virtue "
    "belief argument ethics myth painting monk pottery tribe scripture duty soul",
    "everyday": "kitchen bottle water paper tape knife table wood wash hang clean screw fold bake garden rope bucket "
    "paint towel drawer door nail oven brush",
    "social": "friend party family feel angry happy birthday gift school teacher visit apologise dinner help talk "
    "proud invite neighbour argue share promise jealous smile thank",
    "computing": "algorithm program memory network server password compiler array loop database packet encryption "
    "learning classifier thread cache register binary function stack protocol kernel bit query",
    "logic": "premise conclusion therefore valid assume imply contradict statement all some none unless only either "
    "infer follows weaken strengthen flaw order seated before after position",
    "myths": "people believe legend actually true myth rumour lucky curse alien moon landing conspiracy secret "
    "superstition proverb dream ghost fortune famous claim really happen swallow",
}
"""Words per domain. A topic uses twelve of its domain's words, so topics of one domain resemble each other."""

EASY_WORDS = "simple basic direct common single obvious short usual plain familiar"
HARD_WORDS = "advanced subtle intricate rigorous nontrivial exceptional compound rare asymptotic abstruse"
RECALL_WORDS = "name define identify called known term which list recall state"
REASONING_WORDS = "derive compare explain stepwise combine deduce estimate because calculate then"
FILLER_WORDS = "the of a in and is to for with on that by as from this at when how what each"

OPENINGS = {
    "asdiv": "Read the story and compute:",
    "gpqa": "What is the correct answer to this expert question:",
    "gsm8k": "Solve this word problem:",
    "logiqa": "Passage and question:",
    "mathqa": "Pick the value that solves:",
    "medmcqa": "Medical entrance examination:",
    "mmlu": "The following is a multiple choice question about",
    "piqa": "Goal:",
    "social_iqa": "Situation:",
    "truthfulqa_mc1": "Q:",
}
"""How a prompt of each benchmark begins; an MMLU prompt goes on with its subject."""

_TOPIC_DOMAINS = {
    "asdiv": ("maths", "maths", "everyday"),
    "gsm8k": ("maths", "business", "maths", "everyday"),
    "logiqa": ("logic", "logic", "humanities"),
    "mathqa": ("maths", "maths", "science", "business"),
    "medmcqa": ("medicine",) * 8,
    "piqa": ("everyday",) * 4,
    "social_iqa": ("social",) * 3,
    "truthfulqa_mc1": ("myths", "myths", "law", "medicine"),
}
_GPQA_DOMAINS = ("science", "science", "medicine")
_MMLU_KEYWORDS = {
    "maths": "math algebra statistics",
    "computing": "computer machine_learning",
    "science": "physics chemistry astronomy electrical",
    "medicine": "anatomy biology clinical medicine medical genetics virology nutrition aging sexuality",
    "law": "law jurisprudence policy politics government security",
    "business": "business economics econometrics marketing management accounting public_relations",
    "logic": "logic fallacies",
    "social": "psychology sociology",
    "everyday": "miscellaneous global_facts",
}


def _mmlu_domain(subject: str) -> str:
    for domain, keywords in _MMLU_KEYWORDS.items():
        if any(keyword in subject for keyword in keywords.split()):
            return domain
    return "humanities"


def topics_of(benchmark: str) -> list[tuple[str, str]]:
    """The topics of a benchmark as (category, domain); a category has one topic or several."""
    if benchmark == "mmlu":
        return [(f"mmlu_{subject}", _mmlu_domain(subject)) for subject in MMLU_SUBJECTS]
    if benchmark == "gpqa":
        tasks = [f"gpqa_{subset}_{style}" for subset in GPQA_SUBSETS for style in GPQA_STYLES]
        return [(task, domain) for task in tasks for domain in _GPQA_DOMAINS]
    return [(benchmark, domain) for domain in _TOPIC_DOMAINS[benchmark]]


BENCHMARKS = tuple(BENCHMARK_SIZES)
