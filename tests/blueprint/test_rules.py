"""Rules: no false alarms on files that are right, and the finer points that the golden files do not show."""

from __future__ import annotations

from textwrap import dedent

import pytest

from avtomat.blueprint.checks.rules import RULES
from avtomat.blueprint.compiler import examine_text

HEAD = "avtomat: 1\nblueprint: sample\n"
NOT_YET = "AVT901"


def codes_of(text: str) -> list[str]:
    findings = examine_text(HEAD + dedent(text)).findings
    return [finding.code.number for finding in findings if finding.code.number != NOT_YET]


ORDER = """
    description: Reserve stock, take the money, ship, tell the customer.
    input:
      type: object
      required: [order_id, total, items, email]
      properties:
        order_id: {type: string}
        total: {type: number, minimum: 0}
        items: {type: array, items: {type: object, required: [sku], properties: {sku: {type: string}}}}
        email: {type: string}
    timeout: 3d
    policies:
      patient: {attempts: 8, delay: 2s, factor: 2, max_delay: 5m, jitter: full}
    start: reserve
    states:
      reserve:
        task: inventory.reserve
        params: {order: "{{ input.order_id }}", items: "{{ input.items }}"}
        timeout: 30s
        retry: patient
        compensate: {when: output.reserved, task: inventory.release, params: {order: "{{ input.order_id }}"}}
        transitions:
          - {when: not output.reserved, to: sold_out}
          - {when: input.total > 1000, to: approve}
          - {to: charge}
      approve:
        approval: "Accept order {{ input.order_id }} over {{ input.total }}?"
        timeout: 2d
        transitions:
          - {when: status == 'approve', to: charge}
          - {to: declined}
        catch:
          - {errors: [TIMEOUT_ERROR], to: declined}
      charge:
        task: payments.charge
        params: {amount: "{{ input.total }}", key: "{{ secrets.payments_key }}"}
        compensate: {task: payments.refund, params: {txn: "{{ output.txn }}"}}
        next: pack
        catch:
          - {errors: [CARD_DECLINED], to: declined}
      pack:
        foreach: "{{ input.items }}"
        concurrency: 10
        do: {task: warehouse.pick, params: {sku: "{{ item.sku }}", n: "{{ index }}", of: "{{ outputs.charge.txn }}"}}
        next: tell
      tell:
        parallel:
          mail: {task: mail.send, params: {to: "{{ input.email }}", text: "Order {{ input.order_id }}"}}
          crm: {call: {method: POST, url: "https://crm.example.com/orders", json: {id: "{{ input.order_id }}"}}}
        next: done
      done: {succeed: {picked: "{{ len(outputs.pack) }}"}}
      sold_out: {fail: {code: OUT_OF_STOCK, message: "Nothing left for {{ input.order_id }}"}}
      declined: {fail: {code: DECLINED, message: "{{ default(error.message, 'no') }}"}}
"""

NESTED = """
    data: {n: 0}
    states:
      pack:
        foreach: "{{ input.orders }}"
        as: order
        collect: {sku: "{{ order.sku }}", ok: "{{ output.ok }}"}
        do:
          start: each
          states:
            each:
              foreach: "{{ order.items }}"
              do: {task: pick, params: {order: "{{ order.id }}", item: "{{ item }}", before: "{{ data.n }}"}}
              next: check
            check:
              task: check
              params: "{{ outputs.each }}"
              set: {seen: true}
              transitions: [{when: output.ok and data.seen, to: end}, {to: again}]
            again: {wait: 5m, next: each}
        join: {at_least: "{{ input.enough }}"}
        next: race
      race:
        parallel: {a: {wait: 30s}, b: {signal: paid, key: "{{ input.id }}"}}
        join: any
        transitions: [{when: status == 'b', to: done}, {to: late}]
      late: {fail: {code: LATE}, compensate: false}
      done: {succeed: "{{ outputs.pack }}"}
"""

CAUGHT = """
    data: {tries: 0}
    search: {tries: "{{ data.tries }}"}
    labels: {customer: "{{ input.customer }}"}
    catch: [{errors: [ANY], when: data.tries < 3, to: repair, set: {why: "{{ error.code }}"}}]
    states:
      work:
        task: work
        callback: true
        params: {url: "{{ callback.url }}"}
        catch:
          - {errors: [BUSY], output: {later: true}}
          - {errors: [GONE], to: gone}
        set: {tries: "{{ data.tries + 1 }}"}
        next: end
      repair: {task: repair, params: {error: "{{ error.details }}", why: "{{ data.why }}"}, next: work}
      gone: {set: {code: "{{ error.code }}"}, next: stop}
      stop: {fail: {code: "{{ data.code }}", message: "{{ error.message }} in {{ error.state }}"}}
"""


@pytest.mark.parametrize("text", [ORDER, NESTED, CAUGHT], ids=["order", "nested", "caught"])
def test_a_file_that_is_right_raises_no_alarm(text: str) -> None:
    assert codes_of(text) == []


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.__name__ for rule in RULES}) == len(RULES)


def test_what_is_not_built_is_refused_even_in_the_smallest_use() -> None:
    findings = examine_text(HEAD + "concurrency: {limit: 1}\nstates:\n  a: {task: t}\n").findings

    assert [finding.code.number for finding in findings] == [NOT_YET]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{task: t, params: {a: '{{ default(outputs.never, 0) }}'}}", None),
        ("{task: t, params: {a: '{{ has(data.never) }}'}}", None),
        ("{task: t, params: {a: '{{ outputs }}'}}", None),
        ("{task: t, params: {a: '{{ outputs.a }}'}, next: a}", None),
        ("{task: t, params: {a: '{{ outputs.a }}'}}", "AVT314"),
        ("{task: t, params: {a: '{{ [item for item in input.list] }}'}}", None),
        ("{task: t, timeout: '{{ input.timeout }}'}", None),
        ("{task: t, timeout: '{{ output.timeout }}'}", "AVT312"),
        ("{wait: {until: '{{ now() }}'}}", None),
        ("{wait: {until: '2026-01-31T23:00:00Z'}}", None),
        ("{fail: {}}", None),
        ("{succeed: null}", None),
        ("{task: t, retry: none}", None),
        ("{task: t, retry: [{errors: [BUSY], attempts: 9}, {errors: [ANY]}]}", None),
        ("{call: {url: 'https://x.example/{{ secrets.key }}'}}", "AVT312"),
        ("{call: {url: 'https://x.example/', headers: {a: 'Bearer {{ secrets.key }}'}}}", None),
    ],
)
def test_names_are_judged_by_their_place(line: str, code: str | None) -> None:
    found = [number for number in codes_of(f"states:\n  a: {line}\n") if number != "AVT203"]

    assert found == ([] if code is None else [code])


def test_a_branch_sees_the_outputs_around_it_and_not_those_of_its_neighbours() -> None:
    text = """
        states:
          first: {task: t, next: split}
          split:
            parallel:
              one: {states: {x: {task: t, params: {a: "{{ outputs.first }}"}, next: end}}}
              two: {states: {y: {task: t, params: {a: "{{ outputs.x }}"}, next: end}}}
            next: end
    """

    assert codes_of(text) == ["AVT313"]


def test_a_variable_that_a_branch_sets_is_not_there_outside() -> None:
    text = """
        states:
          split:
            parallel:
              one: {states: {x: {task: t, set: {a: 1}, next: end}}}
            next: use
          use: {succeed: "{{ data.a }}"}
    """

    findings = examine_text(HEAD + dedent(text)).findings

    assert [finding.hint for finding in findings if finding.code.number == "AVT315"] == [
        "`split.one.x` sets it, but inside a block nothing outside is changed"
    ]


def test_a_broken_shape_does_not_make_rules_complain_about_what_is_not_known() -> None:
    text = """
        states:
          a: {task: t, next: 3}
          b: {task: t, next: end}
    """

    assert codes_of(text) == ["AVT103"]


def test_findings_are_in_the_order_of_the_file() -> None:
    findings = examine_text(
        HEAD + "states:\n  a: {task: t t, next: nowhere}\n  b: {tsak: t, next: end}\ntimeout: soon\n"
    ).findings

    places = [(finding.span.line, finding.span.column) for finding in findings]
    assert places == sorted(places)
    assert [finding.code.number for finding in findings] == ["AVT406", "AVT201", "AVT101", "AVT401"]


def test_a_state_that_waits_may_look_once() -> None:
    text = "avtomat: 1\nblueprint: sample\nstates: {a: {signal: ready, timeout: 0s, next: end}}\n"

    assert "AVT416" not in {finding.code.number for finding in examine_text(text).findings}
