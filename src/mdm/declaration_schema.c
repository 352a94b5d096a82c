/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_schema.c -- made by build-aux/declaration-types.py of
 * build-aux/declaration-types.tsv; not to be edited. */

#include "mdm/declaration_schema.h"

#include <stddef.h>

const nmdm_declaration_schema_t NMDM_DECLARATION_SCHEMA[] = {
    /* activations/simple.yaml 0340fd30 */
    { "activation.simple", "15/13/16/1.1/10",
      "sPredicate;!aStandardConfigurations;",
      "StandardConfigurations:com.apple.configuration.;" },
    /* assets/credential.acme.yaml 39e2a822 */
    { "asset.credential.acme", "17/14/17/1.1/10",
      "sAccessible=Default,AfterFirstUnlock;oAuthentication;!oReference;",
      NULL },
    /* assets/credential.certificate.yaml 39e2a822 */
    { "asset.credential.certificate", "17/14/17/1.1/10",
      "oAuthentication;!oReference;",
      NULL },
    /* assets/credential.identity.yaml 39e2a822 */
    { "asset.credential.identity", "17/14/17/1.1/10",
      "sAccessible=Default,AfterFirstUnlock;oAuthentication;!oReference;",
      NULL },
    /* assets/credential.scep.yaml 39e2a822 */
    { "asset.credential.scep", "17/14/17/1.1/10",
      "sAccessible=Default,AfterFirstUnlock;oAuthentication;!oReference;",
      NULL },
    /* assets/credential.userpassword.yaml 39e2a822 */
    { "asset.credential.userpassword", "15/13/16/1.1/10",
      "oAuthentication;!oReference;",
      NULL },
    /* assets/data.yaml 72c2a0a6 */
    { "asset.data", "17/14/17/1.1/10",
      "oAuthentication;!oReference;",
      NULL },
    /* assets/useridentity.yaml 0340fd30 */
    { "asset.useridentity", "15/13/16/1.1/10",
      "sEmailAddress;sFullName;",
      NULL },
    /* configurations/accessibility.settings.yaml 61449b07 */
    { "configuration.accessibility.settings", "27/27/-/27/-",
      NULL,
      NULL },
    /* configurations/account.caldav.yaml 39e2a822 */
    { "configuration.account.caldav", "15/13/-/1.1/-",
      "sAuthenticationCredentialsAssetReference;!sHostName;sPath;iPort;"
      "sVisibleName;",
      "AuthenticationCredentialsAssetReference:"
      "com.apple.asset.credential.userpassword;" },
    /* configurations/account.carddav.yaml 0340fd30 */
    { "configuration.account.carddav", "15/13/-/1.1/-",
      "sAuthenticationCredentialsAssetReference;!sHostName;sPath;iPort;"
      "sVisibleName;",
      "AuthenticationCredentialsAssetReference:"
      "com.apple.asset.credential.userpassword;" },
    /* configurations/account.exchange.yaml 0a4527c5 */
    { "configuration.account.exchange", "15/13/-/1.1/-",
      "sAuthenticationCredentialsAssetReference;"
      "sAuthenticationIdentityAssetReference;bCalendarServiceActive;"
      "bContactsServiceActive;!aEnabledProtocolTypes;sExternal Path;"
      "sExternalHostName;iExternalPort;sHostName;bLockCalendarService;"
      "bLockContactsService;bLockMailService;bLockNotesService;"
      "bLockRemindersService;bMailServiceActive;bNotesServiceActive;oOAuth;"
      "sPath;iPort;bRemindersServiceActive;oSMIME;"
      "sUserIdentityAssetReference;sVisibleName;",
      "AuthenticationCredentialsAssetReference:"
      "com.apple.asset.credential.userpassword;"
      "AuthenticationIdentityAssetReference:com.apple.asset.credential.acme "
      "com.apple.asset.credential.identity com.apple.asset.credential.scep;"
      "UserIdentityAssetReference:com.apple.asset.useridentity;" },
    /* configurations/account.google.yaml 39e2a822 */
    { "configuration.account.google", "15/13/-/1.1/-",
      "!sUserIdentityAssetReference;sVisibleName;",
      "UserIdentityAssetReference:com.apple.asset.useridentity;" },
    /* configurations/account.ldap.yaml 0340fd30 */
    { "configuration.account.ldap", "15/13/-/1.1/-",
      "sAuthenticationCredentialsAssetReference;!sHostName;iPort;"
      "aSearchSettings;sVisibleName;",
      "AuthenticationCredentialsAssetReference:"
      "com.apple.asset.credential.userpassword;" },
    /* configurations/account.mail.yaml 39e2a822 */
    { "configuration.account.mail", "15/13/-/1.1/-",
      "!oIncomingServer;!oOutgoingServer;oSMIME;sUserIdentityAssetReference;"
      "sVisibleName;",
      "UserIdentityAssetReference:com.apple.asset.useridentity;" },
    /* configurations/account.subscribed-calendar.yaml 39e2a822 */
    { "configuration.account.subscribed-calendar", "15/14/-/1.1/-",
      "sAuthenticationCredentialsAssetReference;!sCalendarURL;sVisibleName;",
      "AuthenticationCredentialsAssetReference:"
      "com.apple.asset.credential.userpassword;" },
    /* configurations/app.managed.yaml 0a4527c5 */
    { "configuration.app.managed", "17.2/26/-/2.4/-",
      NULL,
      NULL },
    /* configurations/app.settings.yaml 97a11a86 */
    { "configuration.app.settings", "27/27/27/27/-",
      NULL,
      NULL },
    /* configurations/audio-accessory.settings.yaml 0a4527c5 */
    { "configuration.audio-accessory.settings", "26/-/-/-/-",
      "oTemporaryPairing;",
      NULL },
    /* Apple's reference pages, 2026 */
    { "configuration.content-cache.settings", "-/27/-/-/-",
      NULL,
      NULL },
    /* configurations/diskmanagement.settings.yaml 85fae8ac */
    { "configuration.diskmanagement.settings", "-/15/-/-/-",
      "oRestrictions;",
      NULL },
    /* configurations/extensible-sso.yaml 97a11a86 */
    { "configuration.extensible-sso", "27/27/-/27/-",
      NULL,
      NULL },
    /* Apple's reference pages, 2026 */
    { "configuration.external-intelligence.settings", "26.4/26.4/-/26.4/-",
      NULL,
      NULL },
    /* configurations/intelligence.settings.yaml 97a11a86 */
    { "configuration.intelligence.settings", "26.4/26.4/-/26.4/-",
      "bAllowAppleIntelligenceReport;bAllowGenmoji;bAllowImagePlayground;"
      "bAllowImageWand;bAllowPersonalizedHandwritingResults;"
      "bAllowVisualIntelligenceSummary;bAllowWritingTools;oApps;"
      "bForceOnDeviceOnlyDictation;bForceOnDeviceOnlyTranslation;",
      NULL },
    /* Apple's reference pages, 2026 */
    { "configuration.keyboard.settings", "26.4/26.4/-/-/-",
      NULL,
      NULL },
    /* configurations/legacy.yaml 0340fd30 */
    { "configuration.legacy", "15/13/16/1.1/10",
      "?sProfileAssetReference;?sProfileURL;",
      "ProfileAssetReference:com.apple.asset.data;" },
    /* configurations/legacy.interactive.yaml 0340fd30 */
    { "configuration.legacy.interactive", "15/13/16/1.1/-",
      "?sProfileAssetReference;?sProfileURL;!sVisibleName;",
      "ProfileAssetReference:com.apple.asset.data;" },
    /* configurations/management.status-subscriptions.yaml 39e2a822 */
    { "configuration.management.status-subscriptions", "15/13/16/1.1/10",
      "!aStatusItems;",
      NULL },
    /* configurations/management.test.yaml 39e2a822 */
    { "configuration.management.test", "15/13/16/1.1/10",
      "!sEcho;sEchoDataAssetReference;"
      "sReturnStatus=Installed,Failed,Unlocked;",
      "EchoDataAssetReference:com.apple.asset.data;" },
    /* configurations/math.settings.yaml 85fae8ac */
    { "configuration.math.settings", "18/15/-/-/-",
      "oCalculator;oSystemBehavior;",
      NULL },
    /* Apple's reference pages, 2026 */
    { "configuration.migration-assistant.settings", "-/26.4/-/-/-",
      NULL,
      NULL },
    /* configurations/network.dns-proxy.yaml 97a11a86 */
    { "configuration.network.dns-proxy", "27/27/-/27/-",
      NULL,
      NULL },
    /* configurations/network.dns-settings.yaml 97a11a86 */
    { "configuration.network.dns-settings", "27/27/-/27/-",
      NULL,
      NULL },
    /* configurations/network.relay.yaml 97a11a86 */
    { "configuration.network.relay", "27/27/-/27/-",
      NULL,
      NULL },
    /* configurations/network.vpn.always-on.yaml 97a11a86 */
    { "configuration.network.vpn.always-on", "27/-/-/27/-",
      NULL,
      NULL },
    /* configurations/network.vpn.ikev2.yaml 97a11a86 */
    { "configuration.network.vpn.ikev2", "27/27/27/27/-",
      NULL,
      NULL },
    /* configurations/network.vpn.ipsec.yaml 97a11a86 */
    { "configuration.network.vpn.ipsec", "27/27/-/27/-",
      NULL,
      NULL },
    /* configurations/network.vpn.vpn-plugin.yaml 61449b07 */
    { "configuration.network.vpn.vpn-plugin", "27/27/27/27/-",
      NULL,
      NULL },
    /* configurations/package.yaml 0a4527c5 */
    { "configuration.package", "-/26/-/-/-",
      "oInstallBehavior;!sManifestURL;",
      NULL },
    /* configurations/passcode.settings.yaml 39e2a822 */
    { "configuration.passcode.settings", "15/13/-/2/10",
      "bChangeAtNextAuth;oCustomRegex;iFailedAttemptsResetInMinutes;"
      "iMaximumFailedAttempts=2..11;iMaximumGracePeriodInMinutes;"
      "iMaximumInactivityInMinutes=0..15;iMaximumPasscodeAgeInDays=0..730;"
      "iMinimumComplexCharacters=0..4;iMinimumLength=0..16;"
      "iPasscodeReuseLimit=1..50;bRequireAlphanumericPasscode;"
      "bRequireComplexPasscode;bRequirePasscode;",
      NULL },
    /* Apple's reference pages, 2026 */
    { "configuration.safari.bookmarks", "26/26/-/26/-",
      NULL,
      NULL },
    /* configurations/safari.extensions.settings.yaml 0a4527c5 */
    { "configuration.safari.extensions.settings", "18/15/-/26/-",
      "oManagedExtensions;",
      NULL },
    /* configurations/safari.settings.yaml 97a11a86 */
    { "configuration.safari.settings", "26/26/-/26/-",
      "sAcceptCookies=Never,CurrentWebsite,VisitedWebsites,Always;"
      "bAllowDisablingFraudWarning;bAllowHistoryClearing;bAllowJavaScript;"
      "bAllowPopups;bAllowPrivateBrowsing;bAllowSummary;oNewTabStartPage;"
      "oPrivacy;",
      NULL },
    /* configurations/screensharing.connection.yaml 1cb86e0e */
    { "configuration.screensharing.connection", "-/14/-/-/-",
      "sAuthenticationCredentialsAssetReference;!sConnectionUUID;"
      "!oDisplayConfiguration;!sDisplayName;!sHostName;iPort;",
      "AuthenticationCredentialsAssetReference:"
      "com.apple.asset.credential.userpassword;" },
    /* configurations/screensharing.connection.group.yaml 39e2a822 */
    { "configuration.screensharing.connection.group", "-/14/-/-/-",
      "!sConnectionGroupUUID;!sGroupName;!aMembers;",
      NULL },
    /* configurations/screensharing.host.settings.yaml b838baac */
    { "configuration.screensharing.host.settings", "-/14/-/-/-",
      "iMaximumVirtualDisplays=0..2;iPortBase=1024..65535;"
      "bPreventCopyFilesFromHost;bPreventCopyFilesToHost;"
      "bPreventHighPerformanceConnections;",
      NULL },
    /* configurations/security.certificate.yaml 1cb86e0e */
    { "configuration.security.certificate", "17/14/17/1.1/10",
      "!sCredentialAssetReference;",
      "CredentialAssetReference:com.apple.asset.credential.certificate;" },
    /* configurations/security.identity.yaml dcc320a6 */
    { "configuration.security.identity", "17/14/17/1.1/10",
      "bAllowAllAppsAccess;!sCredentialAssetReference;bKeyIsExtractable;",
      "CredentialAssetReference:com.apple.asset.credential.acme "
      "com.apple.asset.credential.identity com.apple.asset.credential.scep;" },
    /* configurations/security.passkey.attestation.yaml 1cb86e0e */
    { "configuration.security.passkey.attestation", "17/14/-/-/-",
      "!sAttestationIdentityAssetReference;"
      "bAttestationIdentityKeyIsExtractable;!aRelyingParties;",
      "AttestationIdentityAssetReference:com.apple.asset.credential.acme "
      "com.apple.asset.credential.identity com.apple.asset.credential.scep;" },
    /* configurations/services.background-tasks.yaml 0a4527c5 */
    { "configuration.services.background-tasks", "-/15/-/-/-",
      "sExecutableAssetReference;aLaunchdConfigurations;sTaskDescription;"
      "!sTaskType;",
      "ExecutableAssetReference:com.apple.asset.data;" },
    /* configurations/services.configuration-files.yaml 1cb86e0e */
    { "configuration.services.configuration-files", "-/14/-/-/-",
      "!sDataAssetReference;!sServiceType;",
      "DataAssetReference:com.apple.asset.data;" },
    /* configurations/siri.settings.yaml 97a11a86 */
    { "configuration.siri.settings", "26.4/26.4/27/26.4/26.4",
      "bAllowSiriAI;bAllowUserGeneratedContent;bAllowWhileLocked;bEnabled;"
      "bForceProfanityFilter;bForceReduceSensitiveContent;",
      NULL },
    /* configurations/softwareupdate.enforcement.specific.yaml 0a4527c5 */
    { "configuration.softwareupdate.enforcement.specific", "17/14/18.4/26/-",
      "sDetailsURL;sTargetBuildVersion;!sTargetLocalDateTime;"
      "!sTargetOSVersion;",
      NULL },
    /* configurations/softwareupdate.settings.yaml 85fae8ac */
    { "configuration.softwareupdate.settings", "18/15/-/-/-",
      "bAllowStandardUserOSUpdates;oAutomaticActions;oBeta;oDeferrals;"
      "bNotifications;oRapidSecurityResponse;"
      "sRecommendedCadence=All,Oldest,Newest;",
      NULL },
    /* configurations/watch.enrollment.yaml 1cb86e0e */
    { "configuration.watch.enrollment", "17/-/-/-/-",
      "aAnchorCertificateAssetReferences;!sEnrollmentProfileURL;",
      "AnchorCertificateAssetReferences:"
      "com.apple.asset.credential.certificate;" },
    /* configurations/webcontent-filter.plugin.yaml 97a11a86 */
    { "configuration.webcontent-filter.plugin", "27/27/-/27/-",
      NULL,
      NULL },
    /* management/organization-info.yaml 0340fd30 */
    { "management.organization-info", "15/13/16/1.1/10",
      "sEmail;!sName;oProof;sURL;",
      NULL },
    /* management/properties.yaml 0340fd30 */
    { "management.properties", "16/13/16/1.1/10",
      "**;",
      NULL },
    /* management/server-capabilities.yaml 0340fd30 */
    { "management.server-capabilities", "15/13/16/1.1/10",
      "!oSupportedFeatures;!sVersion;",
      NULL },
};

const int NMDM_DECLARATION_SCHEMA_LENGTH
    = sizeof(NMDM_DECLARATION_SCHEMA) / sizeof(*NMDM_DECLARATION_SCHEMA);
