# SPDX-License-Identifier: Apache-2.0
"""Prints an MDM command as an XML property list, to be queued:

    nmdm-command.py DeviceInformation OSVersion DeviceName |
        curl -T - -u nanomdm:KEY "https://HOST/v1/enqueue/ID?nopush=1"
"""

import argparse
import pathlib
import plistlib
import random
import sys
import uuid

# Commands of a RequestType and nothing else.
PLAIN = (
    "ProfileList", "ProvisioningProfileList", "SecurityInfo",
    "RestartDevice", "ShutDownDevice", "StopMirroring",
    "ClearRestrictionsPassword", "UserList", "LogOutUser",
    "PlayLostModeSound", "DisableLostMode", "DeviceLocation",
    "ManagedMediaList", "DeviceConfigured", "AvailableOSUpdates",
    "NSExtensionMappings", "OSUpdateStatus", "EnableRemoteDesktop",
    "DisableRemoteDesktop", "ActivationLockBypassCode",
    "ScheduleOSUpdateScan")
# Harmless ones, for --random.
HARMLESS = ("SecurityInfo", "CertificateList", "ProfileList",
            "ProvisioningProfileList")


def new_uuid():
    return str(uuid.uuid4())


def request(request_type, **keys):
    """A Command; what was not given is left out."""
    return {"RequestType": request_type,
            **{key: value for key, value in keys.items()
               if value not in (None, False, [])}}


# ---- Commands with keys of their own: arguments, then the Command ----

def add_command(add):
    add("command", lambda args: request(args.name), "any RequestType"
        ).add_argument("name", metavar="NAME")


def add_device_information(add):
    add("DeviceInformation",
        lambda args: request("DeviceInformation", Queries=args.query),
        "ask for some or all properties", aliases=["DeviceInfo", "DevInfo"]
        ).add_argument("query", nargs="*", help="such as OSVersion")


def add_install_profile(add):
    add("InstallProfile",
        lambda args: request("InstallProfile", Payload=args.file),
        "install a configuration profile"
        ).add_argument("file", metavar="FILE", type=content)


def add_remove_profile(add):
    add("RemoveProfile",
        lambda args: request("RemoveProfile", Identifier=args.identifier),
        "remove a configuration profile"
        ).add_argument("identifier", metavar="IDENT")


def add_schedule_os_update(add):
    parser = add(
        "ScheduleOSUpdate",
        lambda args: request("ScheduleOSUpdate", Updates=[without_none({
            "InstallAction": args.action, "ProductVersion": args.version,
            "ProductKey": args.key, "MaxUserDeferrals": args.deferrals,
            "Priority": args.priority})]),
        "install an update of the operating system")
    parser.add_argument("action", metavar="ACTION",
                        help="such as Default, InstallASAP, DownloadOnly")
    parser.add_argument("--version", help="ProductVersion")
    parser.add_argument("--key", help="ProductKey")
    parser.add_argument("--deferrals", type=int, metavar="N",
                        help="MaxUserDeferrals")
    parser.add_argument("--priority", help="Low or High")


def add_account_config(add):
    parser = add(
        "AccountConfig",
        lambda args: request(
            "AccountConfiguration", PrimaryAccountFullName=args.fullname,
            PrimaryAccountUserName=args.username,
            LockPrimaryAccountInfo=args.lock),
        "AccountConfiguration: the account that Setup Assistant makes")
    parser.add_argument("-f", "--fullname", help="PrimaryAccountFullName")
    parser.add_argument("-u", "--username", help="PrimaryAccountUserName")
    parser.add_argument("-l", "--lock", action="store_true",
                        help="LockPrimaryAccountInfo")


def add_settings(add):
    add("Settings", settings, "change settings of the device").add_argument(
        "--allowbst", action="store_true", help="BootstrapTokenAllowed")


def settings(args):
    options = {"Item": "MDMOptions",
               "MDMOptions": {"BootstrapTokenAllowed": True}}
    return {"RequestType": "Settings",
            "Settings": [options] if args.allowbst else []}


def add_certificate_list(add):
    add("CertificateList",
        lambda args: request("CertificateList", ManagedOnly=args.managed),
        "list certificates", aliases=["CertList"]).add_argument(
            "-m", "--managed", action="store_true", help="ManagedOnly")


def add_with_pin(request_type):
    return lambda add: add(
        request_type, lambda args: request(request_type, PIN=args.pin),
        "with a PIN of six digits for Macs"
        ).add_argument("pin", metavar="PIN")


ADDERS = (add_command, add_device_information, add_install_profile,
          add_remove_profile, add_schedule_os_update, add_account_config,
          add_settings, add_certificate_list, add_with_pin("EraseDevice"),
          add_with_pin("DeviceLock"))


# ---- The command line ----

def without_none(keys):
    return {key: value for key, value in keys.items() if value is not None}


def content(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{path}: {error.strerror}") from None


def add_arguments(parser):
    parser.add_argument("-u", "--uuid", metavar="UUID", dest="command_uuid",
                        default=new_uuid(),
                        help="CommandUUID; a random one by default")
    parser.add_argument("-r", "--random", action="store_true",
                        help="one of: " + ", ".join(HARMLESS))
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name, make, about, **options):
        added = commands.add_parser(name, help=about, description=about,
                                    **options)
        added.set_defaults(make=make)
        return added

    for adder in ADDERS:
        adder(add)
    for name in PLAIN:
        add(name, lambda args, name=name: request(name), name)


def run(parser, args):
    make = getattr(args, "make", None)
    if bool(make) == args.random:
        parser.error("give either a COMMAND or --random")
    plistlib.dump({
        "CommandUUID": args.command_uuid,
        "Command": make(args) if make else request(random.choice(HARMLESS)),
    }, sys.stdout.buffer)
    return 0
