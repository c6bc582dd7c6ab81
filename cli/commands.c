/* The table of commands. */
#include <string.h>

#include "cli.h"

/* clang-format off */
const struct cmd cmds[] = {
    { "wheel", CMD_WHEEL, cmd_wheel, "SOURCE...",
      "build wheels, hash them and upload them",
      "A SOURCE is a directory, an installed editable package's name, a git "
      "URL as\npip takes it (git+https://host/repo@rev#subdirectory=dir), an "
      "sdist, or an\nsdist's URL. What is there already is not built again." },
    { "scan", CMD_SCAN, cmd_scan, "",
      "list an environment: each package's source, level and requirement",
      "Changes nothing, and starts nothing but, once, the interpreter, to ask "
      "where it\nlooks. What is wrong with the environment is told on standard "
      "error. The exit\nstatus is 66 when a critical package is missing, after "
      "all the rest was printed;\nother packages that no cluster can get are "
      "told and leave it 0." },
    { "sync", CMD_SYNC, cmd_sync, "",
      "build what an environment needs, upload it, and write its spec",
      "Editable installs, directories, git and other direct URLs and loose "
      "modules become\nwheels, in parallel; everything else is pinned. The spec "
      "goes into the store as\nenvironments/DIGEST.json; environment.json, "
      "requirements.txt, with `--match exact`\npylock.toml and, of conda "
      "environments, environment.yml are written to the state\ndirectory and "
      "to `--output-dir`. When a build fails, the others are finished and\n"
      "nothing is written. A critical package that is missing, and packages that "
      "no cluster\ncan get (all of them are named), are an error before "
      "any build. So is a loose module\nthat hides one of an installed "
      "distribution, which it would overwrite on workers:\nrename it, or "
      "leave it out with `--exclude`. Of loose packages all files come along\n"
      "but those that look like private keys (`--include` brings them), of "
      "directories\nwithout __init__.py the modules and packages in them. The "
      "spec names the indexes of\nthe flags, else of pip's variables and "
      "configuration files, without credentials. A\npylock.toml or "
      "environment.yml of an earlier sync that the spec has not is "
      "removed\nfrom `--output-dir`; a lock that cannot be made is a "
      "problem, not a failure." },
    { "warm", CMD_WARM, cmd_warm, "[SOURCE...]",
      "build and upload what is missing, and install nothing",
      "A SOURCE is what `pkgsync wheel` takes, a wheel, or a spec (its path or "
      "URL, which\nends in .json). Without SOURCE and `--requirement` the "
      "environment of `--python` is\ntaken. Of packages of an index those are "
      "built that exist as source distributions\nonly; loose modules of an "
      "environment are not packed. Everything is tried; the exit\nstatus is 1 "
      "if anything failed. The summary is added to the file named by\n"
      "GITHUB_STEP_SUMMARY as well.\nA requirements file may be a URL, and is "
      "read as pip reads it: what is taken has\none of the sha256 that its line "
      "gives by --hash, --require-hashes wants one on\neach line of every file, "
      "-c holds for what is built as well, and --no-binary,\n--only-binary and "
      "--pre choose. Other hashes, options of one requirement beside\n--hash, "
      "and constraints by address are refused." },
    { "levels", CMD_LEVELS, cmd_levels, "",
      "print the rules by which packages get their level", NULL },
    { "install", CMD_INSTALL, cmd_install, "SPEC",
      "bring an environment to what a spec says",
      "SPEC is what `pkgsync sync` wrote: a path, file://, https:// or s3://, "
      "with\n#sha256=HASH at its end where it must be that very one. Only what "
      "differs is\ninstalled, by uv where there is one, else by pip, after "
      "every file was fetched and\nits hash compared. A failure leaves the "
      "environment as it was." },
    { "check", CMD_CHECK, cmd_check, "SPEC | ENVIRONMENT ENVIRONMENT",
      "compare an environment with a spec, or two environments",
      "An ENVIRONMENT is an interpreter or an environment's directory; the "
      "second must\nbe what the levels make of the first. The exit status is 1 "
      "where they differ." },
    { "doctor", CMD_DOCTOR, cmd_doctor, "",
      "say what this machine can and cannot do, and how to mend it", NULL },
    { "jobs", CMD_JOBS, cmd_jobs, "",
      "list the jobs of the queue", NULL },
    { "logs", CMD_LOGS, cmd_logs, "JOB",
      "print what a job's build printed", NULL },
    { "cancel", CMD_CANCEL, cmd_cancel, "JOB...",
      "stop jobs, wherever they run", NULL },
    { "retry", CMD_RETRY, cmd_retry, "JOB",
      "do a failed job again", NULL },
    { "cache", CMD_CACHE, cmd_cache, "[prune]",
      "show what is kept and how large it is, or remove what was not used",
      NULL },
    { "config", CMD_CONFIG, cmd_config, "",
      "print every setting, its value, and where that comes from", NULL },
    { "help", CMD_HELP, cmd_help, "[COMMAND]",
      "list the commands, or explain one",
      "--names prints the names of the commands, one a line; --options COMMAND "
      "those\nof its options." },
    { .name = NULL },
};
/* clang-format on */

const struct cmd *cmd_find(const char *name)
{
    for (const struct cmd *c = cmds; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}
