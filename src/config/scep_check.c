/* SPDX-License-Identifier: Apache-2.0 */
/* scep_check.c -- the files of the issuers, and what contradicts itself. */

#include "config/scep.h"
#include "config/parse.h"
#include "crypto/trust.h"

#include <apr_strings.h>

/* ---- The keys ---- */

static const char *read_pair(nmdm_key_pair_t **pair, apr_pool_t *pconf,
                             apr_pool_t *p, const char *file,
                             const char *key)
{
    const char *flaw = nanomdm_flaw_of_key_mode(p, key);
    nmdm_err_t *err = flaw ? NULL : nmdm_issuer_read(pair, pconf, file, key);

    return err ? nmdm_err_text(err) : flaw;
}

/* Its devices could enroll and then not authenticate. */
static const char *flaw_of_trust(apr_pool_t *p, const nanomdm_conf_t *conf,
                                 const nmdm_key_pair_t *pair)
{
    int is_there = 0;

    if (!conf->ca_file) {
        return NULL;
    }
    if (nmdm_trust_file_has(&is_there, p, conf->ca_file, &pair->cert)
        || is_there) {
        return NULL;            /* what cannot be read is said elsewhere */
    }
    if (conf->intermediate_file
        && (nmdm_trust_file_has(&is_there, p, conf->intermediate_file,
                                &pair->cert) || is_there)) {
        return NULL;
    }
    return apr_psprintf(p, "the issuer is not among the certificates of"
                        " NanoMDMCACertificateFile, so its devices could not"
                        " come back; add it: cat ISSUER >> %s",
                        conf->ca_file);
}

static const char *read_issuer(nmdm_key_pair_t **pair, apr_pool_t *pconf,
                               apr_pool_t *p, const nanomdm_conf_t *conf,
                               const char *file, const char *key)
{
    const char *flaw = read_pair(pair, pconf, p, file, key);

    if (!flaw) {
        flaw = flaw_of_trust(p, conf, *pair);
    }
    return flaw;
}

static const char *read_recipient(nanomdm_scep_keys_t *keys,
                                  apr_pool_t *pconf, apr_pool_t *p,
                                  const nanomdm_conf_t *scep)
{
    const char *flaw;

    if (!scep->recipient_file && !scep->recipient_key) {
        return keys->issuer->is_rsa ? NULL
            : "NanoMDMIssuerCertificateFile: an EC issuer needs an RSA"
              " recipient, since Apple's devices encrypt to RSA alone; write:"
              " NanoMDMSCEPRecipientCertificateFile and"
              " NanoMDMSCEPRecipientKeyFile";
    }
    if (!scep->recipient_file || !scep->recipient_key) {
        return "NanoMDMSCEPRecipientCertificateFile and"
               " NanoMDMSCEPRecipientKeyFile go together; write both";
    }
    flaw = read_pair(&keys->recipient, pconf, p, scep->recipient_file,
                     scep->recipient_key);
    if (!flaw) {
        flaw = nmdm_issuer_recipient_flaw(p, keys->recipient, keys->issuer,
                                          apr_time_now());
    }
    return flaw ? apr_pstrcat(p, "NanoMDMSCEPRecipientCertificateFile: ",
                              flaw, NULL) : NULL;
}

const char *nanomdm_scep_read_keys(nanomdm_scep_keys_t **out,
                                   apr_pool_t *pconf, apr_pool_t *p,
                                   const nanomdm_conf_t *conf)
{
    nanomdm_scep_keys_t *keys = apr_pcalloc(pconf, sizeof(*keys));
    const nanomdm_paths_t *files = conf->issuer_files;
    const nanomdm_paths_t *key_files = conf->issuer_keys;
    const char *flaw;

    if (!files || !key_files) {
        return "NanoMDMIssuerCertificateFile or NanoMDMIssuerKeyFile is"
               " missing for SetHandler nanomdm-scep; make both with"
               " tools/nmdm-ca.sh DIR NAME and name them";
    }
    if (!files->former != !key_files->former) {
        return "NanoMDMIssuerCertificateFile and NanoMDMIssuerKeyFile name"
               " different numbers of files; write the former issuer in both,"
               " or in neither";
    }
    flaw = read_issuer(&keys->issuer, pconf, p, conf, files->path,
                       key_files->path);
    if (!flaw) {
        flaw = nmdm_issuer_flaw(p, keys->issuer, conf->recipient_file != NULL,
                                apr_time_now());
    }
    if (!flaw && files->former) {
        flaw = read_issuer(&keys->former, pconf, p, conf, files->former,
                           key_files->former);
    }
    if (flaw) {
        return apr_pstrcat(p, "NanoMDMIssuerCertificateFile or"
                           " NanoMDMIssuerKeyFile: ", flaw, NULL);
    }
    flaw = read_recipient(keys, pconf, p, conf);
    *out = flaw ? NULL : keys;
    return flaw;
}

/* ---- Locations ---- */

static int add_des(nanomdm_scep_keys_t *keys, apr_pool_t *pconf)
{
    return (!keys->issuer->is_rsa
            || nmdm_issuer_add_legacy(keys->issuer, pconf))
        && (!keys->former || !keys->former->is_rsa
            || nmdm_issuer_add_legacy(keys->former, pconf))
        && (!keys->recipient
            || nmdm_issuer_add_legacy(keys->recipient, pconf));
}

const char *nanomdm_scep_check_location(nanomdm_scep_keys_t *keys,
                                        apr_pool_t *pconf,
                                        const nanomdm_conf_t *conf,
                                        int is_protected)
{
    if (conf->scep_challenge && conf->scep_challenge->how == NMDM_SCEP_NONE
        && !is_protected) {
        return "NanoMDMSCEPChallenge none gives any client a certificate;"
               " write a Require other than \"all granted\" into the same"
               " section, or: NanoMDMSCEPChallenge once";
    }
    if (keys && conf->scep_takes_des
        && !add_des(keys, pconf)) {
        return "NanoMDMSCEPCipher des needs OpenSSL's legacy provider;"
               " install it (Debian 13: apt install openssl-provider-legacy),"
               " or leave des out";
    }
    return NULL;
}
