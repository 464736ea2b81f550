package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/brama-gateway/brama/formats"
)

// commands in the order of help: what one needs first stands first. Filled in
// init because help itself is reached from the table.
var commands []command

func init() {
	commands = []command{
		{"init", "--dir DIR [--listen HOST:PORT] [--demo]", formats.Text{UK: "створити каталог шлюзу: ключі, сертифікати, конфігурацію", EN: "make a gateway's directory: keys, certificates, configuration"}, initialise},
		{"status", "", formats.Text{UK: "стан шлюзу", EN: "how the gateway is"}, status},
		{"reload", "", formats.Text{UK: "перечитати конфігурацію, довірені сертифікати, профілі", EN: "read configuration, trust and profiles anew"}, reload},

		{"client apply", "-f FILE|DIR... [--dry-run]", formats.Text{UK: "внести клієнтів до реєстру: усе або нічого", EN: "put clients into the register: all or nothing"}, clientApply},
		{"client list", "", formats.Text{UK: "клієнти реєстру", EN: "clients of the register"}, clientList},
		{"client show", "ID", formats.Text{UK: "запис одного клієнта", EN: "one client's entry"}, clientShow},
		{"client export", "", formats.Text{UK: "увесь реєстр у вигляді YAML", EN: "the whole register as YAML"}, clientExport},
		{"client disable", "ID --reason TEXT", formats.Text{UK: "закрити клієнтові вхід", EN: "shut a client out"}, clientDisable},

		{"spool list", "[--client ID] [--state STATE,...] [--kind KIND] [--document NAME] [--queue QUEUE] [--from TIME] [--to TIME] [--before ID] [--limit N]", formats.Text{UK: "документи у шлюзі, найновіші першими", EN: "documents in the gateway, newest first"}, spoolList},
		{"spool show", "ID", formats.Text{UK: "один документ: частини, історія, квитанція", EN: "one document: parts, history, receipt"}, spoolShow},
		{"spool retry", "ID --reason TEXT", formats.Text{UK: "повернути мертвий документ до черги", EN: "put a dead document back into the queue"}, spoolRetry},
		{"spool bury", "ID --reason TEXT", formats.Text{UK: "вилучити документ із черги до рішення людини", EN: "take a document out of the queue until a person decides"}, spoolBury},
		{"spool release", "ID --reason TEXT", formats.Text{UK: "забрати оренду в обробника або негайно перевірити відкладений", EN: "take a lease back, or examine a held document at once"}, spoolRelease},
		{"statement put", "--client ID [--name NAME] [--kind KIND] FILE", formats.Text{UK: "передати клієнтові виписку або інший документ", EN: "give a client a statement or another document"}, statementPut},
		{"statement render", "--format FORMAT [--charset PAGE] [--at TIME] [--profile FILE] [--out FILE] FILE", formats.Text{UK: "показати канонічний документ у форматі клієнта", EN: "render a canonical document as a client gets it"}, statementRender},

		{"reconcile", "[DAY] [--closed]", formats.Text{UK: "звірка дня: що надійшло, що завершено, що відкрите, чи підряд номери виписок", EN: "reconcile a day: what came in, what has ended, what is open, whether statement numbers follow on each other"}, reconcile},
		{"trust add", "[--anchor] FILE... | --list FILE|URL --signer-sha256 HEX | --bundle FILE --sha256 HEX [--anchor]", formats.Text{UK: "додати корінь довіри (--anchor), проміжний сертифікат чи CRL, довірчий список або набір сертифікатів", EN: "add a trust anchor (--anchor), an intermediate certificate or a CRL, a list of trusted services, a bundle"}, trustAdd},
		{"trust list", "[--lists]", formats.Text{UK: "кому довіряємо, відколи, доки й чому; допоміжні матеріали", EN: "who is believed, from when to when and why; material"}, trustList},
		{"trust update", "", formats.Text{UK: "перечитати довірчі списки з їхніх джерел", EN: "read the lists of trusted services again from their sources"}, trustUpdate},
		{"trust remove", "LIST", formats.Text{UK: "більше не зважати на довірчий список", EN: "stop the use of a list of trusted services"}, trustRemove},

		{"check", "FILE... [--client ID] [--profile NAME] [--format-only] [--at TIME] [--list NAME=FILE]...", formats.Text{UK: "який висновок дав би шлюз; кілька файлів - одне подання", EN: "the verdict that the gateway would give; several files are one submission"}, check},
		{"verify", "FILE --anchor FILE... [--material DIR]... [--detached DOC] [--at TIME] [--existed TIME] [--expired-tsa] [--strict-past] [--tolerate FLAG,...] [--report-xml FILE]", formats.Text{UK: "перевірити всі підписи файлу (EN 319 102-1)", EN: "validate every signature in a file (EN 319 102-1)"}, verify},
		{"sign", "--key K --cert C [--key K2 --cert C2 ...] [--password-file F] [--detached] [--format cades-b|cades-t|asic-s|asic-e] [--tsa URL] [-o OUT] FILE...", formats.Text{UK: "підписати файл; OUT - FILE.p7s, FILE.asics або FILE.asice", EN: "sign a file; OUT is FILE.p7s, FILE.asics or FILE.asice"}, signFile},
		{"augment", "FILE --to t|lt|lta [--tsa URL] [--anchor FILE...] [--material DIR]... [--detached DOC] [--form baseline|extended] [-o OUT]", formats.Text{UK: "доповнити підписи позначками часу й доказами чинності; OUT - той самий FILE", EN: "raise signatures with time-stamps and what they rest on; OUT is FILE itself"}, augment},
		{"receipt verify", "FILE.json [--anchor FILE...] [--seal FILE] [--document FILE] [--proof FILE [--key KEY]] [--material DIR] [--at TIME]", formats.Text{UK: "перевірити печатку на квитанції та її запис у журналі", EN: "verify the seal of a receipt, and its record in the journal"}, receiptVerify},
		{"evidence export", "ID -o FILE", formats.Text{UK: "пакет доказів прийнятого документа: один файл ASiC-E", EN: "the evidence of an accepted document: one ASiC-E file"}, evidenceExport},
		{"evidence verify", "FILE --anchor FILE... [--at TIME] [--key KEY]", formats.Text{UK: "перевірити пакет доказів без шлюзу й без мережі", EN: "check a package of evidence, without gateway or network"}, evidenceVerify},
		{"archive list", "", formats.Text{UK: "архіви старих місяців", EN: "the archives of old months"}, archiveList},
		{"archive search", "[--client ID] [--document NAME] [--number N] [--date DATE] [--sha256 HASH] [--kind KIND] [--state STATE] [--from TIME] [--to TIME] [--limit N] [--file FILE]...", formats.Text{UK: "знайти документи чи виписки в архівах", EN: "find documents or statements in archives"}, archiveSearch},
		{"archive show", "ID [--file FILE]...", formats.Text{UK: "усе про один документ в архіві", EN: "everything about one document in an archive"}, archiveShow},
		{"archive export", "ID -o DIR | ID --part NAME -o FILE [--file FILE]...", formats.Text{UK: "вийняти документ з усім, що при ньому", EN: "take a document out, with all that belongs to it"}, archiveExport},
		{"archive remove", "NAME --reason TEXT", formats.Text{UK: "знищити архів назавжди, про що свідчить журнал", EN: "destroy an archive for good, as the journal then tells"}, archiveRemove},
		{"archive verify", "FILE|NAME [--anchor FILE...] [--key KEY] [--material DIR] [--at TIME]", formats.Text{UK: "перевірити архів без шлюзу: хеші, печатку, докази журналу", EN: "check an archive without the gateway: hashes, seal, proofs of the journal"}, archiveVerify},
		{"journal verify", "[--key KEY] [--checkpoint FILE]...", formats.Text{UK: "довести, що історію не змінено", EN: "prove that the history was not changed"}, journalVerify},
		{"journal checkpoint", "[--key KEY]", formats.Text{UK: "остання підписана контрольна точка журналу", EN: "the newest signed checkpoint of the journal"}, journalCheckpoint},
		{"journal proof", "RECORD|SUBMISSION [-o FILE]", formats.Text{UK: "доказ, що запис є в журналі", EN: "the proof that a record is in the journal"}, journalProof},
		{"journal key", "", formats.Text{UK: "відкритий ключ журналу", EN: "the journal's public key"}, journalShowKey},
		{"journal renew", "--reason TEXT", formats.Text{UK: "після відновлення: завершити ключ журналу й почати новий (шлюз зупинено)", EN: "after a restore: end the journal's key and begin a new one (daemon stopped)"}, journalRenew},
		{"journal witness", "--dir DIR --listen HOST:PORT --key KEY [--name NAME]", formats.Text{UK: "свідок журналу на іншій машині: підписує лише продовження тієї самої історії", EN: "a witness of the journal on another machine: signs only what continues the same history"}, journalWitness},
		{"backup", "[--repository DIR]", formats.Text{UK: "зняти копію стану, не зупиняючи шлюзу", EN: "take a copy of the state while the daemon works"}, backupTake},
		{"backup list", "[--repository DIR]", formats.Text{UK: "копії у сховищі, найстаріші першими", EN: "the copies in a repository, oldest first"}, backupList},
		{"backup check", "[--repository DIR] [--at TIME]", formats.Text{UK: "прочитати копію всю й звірити кожен байт", EN: "read a whole copy and compare every byte with its hash"}, backupCheck},
		{"restore", "[--repository DIR] [--at TIME] [--state DIR]", formats.Text{UK: "відтворити каталог стану з копії, знятої не пізніше TIME", EN: "make the state folder anew from the copy taken at TIME or before"}, restore},
		{"integrity", "[--deep] [--repair [--repository DIR]]", formats.Text{UK: "шукати пошкодження сховища; --repair (шлюз зупинено) виправляє, що можна", EN: "look for damage in the store; --repair (daemon stopped) puts right what it can"}, integrity},
		{"migrate", "--to postgres --url URL [--password-file FILE] [--schema NAME] | --to embedded | --reopen", formats.Text{UK: "перенести сховище до PostgreSQL чи назад (шлюз зупинено); перерваний перенос продовжується; --reopen повертає до роботи те, звідки перенесли", EN: "move the store to PostgreSQL or back (daemon stopped); an interrupted run is gone on with; --reopen takes what was moved into use again"}, migrateStore},
		{"profile explain", "[NAME]", formats.Text{UK: "чого вимагає формат документа", EN: "what a document's layout demands"}, profileExplain},
		{"profile check", "FILE.yaml [--sample DOCUMENT [--expect WANT.json]] [--charset PAGE] [--at TIME]", formats.Text{UK: "перевірити власний опис формату та зразок за ним", EN: "check a profile of one's own, and a sample by it"}, profileCheck},
		{"profile infer", "FILE.dbf", formats.Text{UK: "чернетка опису формату з таблиці DBF", EN: "draft a profile from a DBF table"}, profileInfer},

		{"classifier import", "FILE --list NAME [--from DATE] [--code COLUMN] [--name COLUMN] [--charset PAGE] [--pad N]", formats.Text{UK: "внести довідник кодів (DBF, CSV); з DATE діє саме він", EN: "bring in a code list (DBF, CSV); from DATE it is the one in force"}, classifierImport},
		{"classifier list", "", formats.Text{UK: "довідники кодів у шлюзі", EN: "the code lists in the gateway"}, classifierList},
		{"classifier show", "NAME", formats.Text{UK: "коди довідника та коли вони діють", EN: "the codes of a list, and when they are in force"}, classifierShow},

		{"demo", "[--once] [--dir DIR]", formats.Text{UK: "увесь шлях документа на цій машині, крок за кроком", EN: "the whole way of a document on this machine, step by step"}, demo},
		{"version", "", formats.Text{UK: "версія", EN: "version"}, version},
	}
}

// usage writes how the command is called, and where more is to be read.
func (c *call) usage(w io.Writer) {
	if cmd := c.command; cmd != nil {
		fmt.Fprintf(w, "%s bramactl %s\n", c.t("виклик:", "usage:"), strings.TrimSpace(cmd.name+" "+cmd.usage))
		fmt.Fprintf(w, "%s bramactl help %s\n", c.t("докладно:", "more:"), cmd.name)
		return
	}
	fmt.Fprintf(w, "%s bramactl help\n", c.t("усі команди:", "all commands:"))
}

// help writes the list of commands, or the usage of the one that was called.
func (c *call) help(w io.Writer) {
	if cmd := c.command; cmd != nil {
		fmt.Fprintf(w, "%s\n\n  bramactl %s %s\n", cmd.short.In(c.lang), cmd.name, cmd.usage)
	} else {
		fmt.Fprintf(w, "%s\n\n", c.t("bramactl: інструмент оператора шлюзу «Брама»", "bramactl: the operator's tool of the Brama gateway"))
		t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		for _, cmd := range commands {
			fmt.Fprintf(t, "  %s\t%s\n", cmd.name, cmd.short.In(c.lang))
		}
		t.Flush()
		fmt.Fprintf(w, "\n%s\n", c.t("Докладно про команду: bramactl help КОМАНДА", "About one command: bramactl help COMMAND"))
	}
	fmt.Fprintf(w, "\n%s\n", c.t(
		`Для всіх команд:
  --config ФАЙЛ   конфігурація шлюзу (інакше $BRAMA_CONFIG або /etc/brama/brama.yaml)
  --socket ФАЙЛ   сокет оператора, якщо він не той, що в конфігурації
  --lang uk|en    мова повідомлень
  --json          вивід для програм

Код завершення: 0 так, 1 ні, 2 не вирішено, 3 не вдалося виконати (docs/bramactl.md)`,
		`Every command takes:
  --config FILE   the gateway's configuration (else $BRAMA_CONFIG or /etc/brama/brama.yaml)
  --socket FILE   the operator's socket, when it is not the configured one
  --lang uk|en    language of messages
  --json          output for programs

Exit code: 0 yes, 1 no, 2 undecided, 3 could not (docs/bramactl.md)`))
}
