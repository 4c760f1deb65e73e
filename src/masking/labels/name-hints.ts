import type { CatalogColumn } from '../../model/catalog.ts';
import { words } from '../detect/evidence.ts';

type TypeFamily = 'text' | 'date' | 'number' | 'network';

interface NameHint {
  readonly label: string;
  /** Types that such values are kept in. */
  readonly types: readonly TypeFamily[];
  /** Words without accents, in lower case; two words written as one stand for both spellings (`birth_date`, `birthdate`). */
  readonly words: readonly string[];
}

const TEXT = ['text'] as const;
const TEXT_OR_NUMBER = ['text', 'number'] as const;

/** What columns are called: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, the Nordic languages, Turkish. */
const HINTS: readonly NameHint[] = [
  {
    label: 'pii.contact.email',
    types: TEXT,
    words: 'email mail emailaddress mailadresse correo courriel correoelectronico epost eposta posta sahkoposti'.split(
      ' ',
    ),
  },
  {
    label: 'pii.contact.phone',
    types: TEXT_OR_NUMBER,
    words:
      'phone phonenumber telephone mobile mobilenumber cellphone msisdn fax faxnumber telefon telefonnummer handy handynummer mobil rufnummer telefono telefone celular movil portable numerotelephone telefoon telefoonnummer puhelin komorka'.split(
        ' ',
      ),
  },
  {
    label: 'pii.contact.address',
    types: TEXT,
    words:
      'street streetaddress addressline homeaddress postaladdress strasse anschrift wohnadresse adresse rue direccion domicilio calle indirizzo endereco rua straat adres ulica adresi'.split(
        ' ',
      ),
  },
  {
    label: 'pii.name',
    types: TEXT,
    words:
      'fullname firstname lastname surname givenname familyname middlename maidenname vorname nachname familienname prenom nomfamille apellido apellidos nombrecompleto cognome sobrenome nomecompleto voornaam achternaam imie nazwisko fornavn etternavn fornamn efternamn etunimi sukunimi soyad soyadi'.split(
        ' ',
      ),
  },
  {
    label: 'pii.birth',
    types: ['date', 'text'],
    words:
      'birth birthday birthdate dateofbirth dob born geburtsdatum geburtstag geburt naissance datenaissance nacimiento fechanacimiento nascita datanascita nascimento datanascimento geboortedatum urodzenia dataurodzenia fodselsdato fodelsedatum syntymaaika dogumtarihi'.split(
        ' ',
      ),
  },
  {
    label: 'pii.gov-id',
    types: TEXT_OR_NUMBER,
    words:
      'ssn socialsecurity socialsecuritynumber nationalid nationalidnumber identitynumber passport passportnumber taxid drivinglicense driverslicense sozialversicherungsnummer svnr steuerid ausweisnummer passnummer personnummer pesel bsn burgerservicenummer nir numerosecu dni nie nif curp rfc cpf codicefiscale cnp egn aadhaar tckn hetu fodselsnummer cprnummer'.split(
        ' ',
      ),
  },
  {
    label: 'pii.online',
    types: ['text', 'network'],
    words:
      'ip ipaddress clientip remoteip remoteaddr deviceid useragent cookieid advertisingid idfa macaddress ipadresse adresseip'.split(
        ' ',
      ),
  },
  {
    label: 'pii.location',
    types: TEXT_OR_NUMBER,
    words:
      'latitude longitude geolocation gpsposition breitengrad laengengrad latitud longitud latitudine longitudine'.split(
        ' ',
      ),
  },
  {
    label: 'pii.quasi',
    types: TEXT_OR_NUMBER,
    words:
      'gender sex postcode postalcode zipcode zip geschlecht plz postleitzahl codepostal sexe genre genero sexo codigopostal sesso cap geslacht kodpocztowy plec kon nationality staatsangehoerigkeit nationalite nacionalidad'.split(
        ' ',
      ),
  },
  {
    label: 'pii.special.health',
    types: TEXT,
    words:
      'diagnosis diagnose icd10 allergy allergies medication bloodtype blutgruppe krankheit maladie diagnostico diagnosi'.split(
        ' ',
      ),
  },
  {
    label: 'pii.special.belief',
    types: TEXT,
    words: 'religion religious konfession confession politicalparty religione religiao'.split(' '),
  },
  { label: 'pii.special.ethnic', types: TEXT, words: 'ethnicity ethnic race ethnie etnia herkunft'.split(' ') },
  {
    label: 'pci.pan',
    types: TEXT_OR_NUMBER,
    words:
      'cardnumber cardno creditcard creditcardnumber ccnumber ccnum pan kartennummer kreditkartennummer numerocarte tarjeta numerotarjeta numerocarta'.split(
        ' ',
      ),
  },
  {
    label: 'pci.sad',
    types: TEXT_OR_NUMBER,
    words: 'cvv cvv2 cvc cvc2 securitycode pinblock track1 track2 pruefziffer'.split(' '),
  },
  { label: 'fin.iban', types: TEXT, words: ['iban'] },
  {
    label: 'fin.account',
    types: TEXT_OR_NUMBER,
    words:
      'accountnumber bankaccount accountno kontonummer bankkonto numerocompte cuentabancaria numeroconto rekeningnummer'.split(
        ' ',
      ),
  },
  {
    label: 'fin.salary',
    types: TEXT_OR_NUMBER,
    words:
      'salary wage wages payrate annualpay income gehalt lohn einkommen salaire salario sueldo stipendio salaris wynagrodzenie lonn palkka maas'.split(
        ' ',
      ),
  },
  {
    label: 'sec.password-hash',
    types: TEXT,
    words: 'passwordhash passwordhashed hashedpassword pwhash passhash passwortthash passworthash'.split(' '),
  },
  {
    label: 'sec.secret',
    types: TEXT,
    words:
      'password passwd passphrase secret clientsecret passwort kennwort motdepasse contrasena senha wachtwoord haslo losenord salasana sifre'.split(
        ' ',
      ),
  },
  {
    label: 'sec.token',
    types: TEXT,
    words: 'token apikey accesstoken refreshtoken authtoken bearertoken sessiontoken'.split(' '),
  },
  { label: 'sec.key', types: TEXT, words: 'privatekey secretkey signingkey'.split(' ') },
];

/** Words that say that a column is about such a value and holds none: `email_verified`, `phone_type`, `password_changed_at`. */
const ABOUT = new Set(
  'id ids type kind status state flag is has can verified confirmed valid count number_of total sent opened changed updated created expires expired at enabled required attempts length format version domain provider label template subject body preference preferences optin consent'.split(
    ' ',
  ),
);

const BY_WORD = new Map(HINTS.flatMap((hint) => hint.words.map((word) => [word, hint] as const)));

/** A label that the name of a column speaks for, and the word that does. */
export function labelByName({
  name,
  baseTypeOid,
  category,
}: CatalogColumn): { readonly label: string; readonly word: string } | undefined {
  const plain = name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replaceAll('ß', 'ss')
    .replaceAll('ø', 'o')
    .replaceAll('ł', 'l')
    .replaceAll('ı', 'i');
  const spoken = words(plain);
  const family = familyOf(category, baseTypeOid);
  if (family === undefined) return undefined;
  // The longest words say most: `cardnumber` before `card`.
  for (const word of [...spoken, ...joined(spoken)].sort((a, b) => b.length - a.length)) {
    const hint = BY_WORD.get(word);
    if (!hint?.types.includes(family)) continue;
    if (spoken.some((each) => ABOUT.has(each) && !word.includes(each))) return undefined;
    return { label: hint.label, word };
  }
  return undefined;
}

/** Three neighbours taken together, as in `date_of_birth`; `words` gives two. */
function joined(spoken: readonly string[]): string[] {
  return spoken.slice(2).map((word, index) => `${spoken[index]}${spoken[index + 1]}${word}`);
}

/** https://www.postgresql.org/docs/current/catalog-pg-type.html#CATALOG-TYPCATEGORY-TABLE */
function familyOf(category: string, typeOid: number): TypeFamily | undefined {
  if (category === 'S' || category === 'A' || typeOid === 114 || typeOid === 3802) return 'text';
  if (category === 'D') return 'date';
  if (category === 'N') return 'number';
  return category === 'I' ? 'network' : undefined;
}
