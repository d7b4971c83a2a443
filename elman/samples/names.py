"""The names of the ner sample: those of each file, and how one is drawn.

Names of one file stand in no other, not even a part of one.
"""

from dataclasses import dataclass
from random import Random

AMBIGUOUS = 0.3  # this share of names are of more types than one
SURNAME = 0.4  # this share of the other people go by their last name alone


@dataclass(frozen=True)
class Names:
    """The names of one file; `ambiguous` ones come with all their types."""

    people: tuple[str, ...]
    places: tuple[str, ...]
    organisations: tuple[str, ...]
    ambiguous: dict[str, str]

    def draw(self, kind: str, random: Random) -> list[str]:
        """The words of some name of this kind; of people, often the last alone."""
        either = [name for name, kinds in self.ambiguous.items() if kind in kinds.split()]
        if random.random() < AMBIGUOUS:
            return [random.choice(either)]
        words = random.choice(
            {"PER": self.people, "LOC": self.places, "ORG": self.organisations}[kind]
        ).split()
        return words[-1:] if kind == "PER" and random.random() < SURNAME else words


def listed(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(" ".join(name.split()) for name in text.split(","))


TRAIN = Names(
    people=listed("""
        Marie Curie, Niels Bohr, Emmy Noether, Srinivasa Ramanujan, Isaac Newton, Johannes Kepler, Tycho
        Brahe, Lise Meitner, Max Planck, Erwin Schrödinger, Rosalind Franklin, Dorothy Hodgkin, Barbara
        McClintock, Carl Linnaeus, Gregor Mendel, Louis Pasteur, Leonhard Euler, Joseph Fourier, Sofia
        Kovalevskaya, Henri Poincaré, Bernhard Riemann, David Hilbert, Georg Cantor, Kurt Gödel, Alan
        Turing, Grace Hopper, Chien-Shiung Wu, Subrahmanyan Chandrasekhar, Satyendra Bose, Abdus Salam,
        Hideki Yukawa, Galileo Galilei, Alexander von Humboldt, Michael Faraday, James Clerk Maxwell, Ernest
        Rutherford, Enrico Fermi, Linus Pauling, Vera Rubin, Cecilia Payne, Johann Sebastian Bach, Ludwig
        van Beethoven, Clara Schumann, Franz Schubert, Felix Mendelssohn, Frédéric Chopin, Antonín Dvořák,
        Edvard Grieg, Jean Sibelius, Giuseppe Verdi, Antonio Vivaldi, Claude Debussy, Maurice Ravel, Igor
        Stravinsky, Béla Bartók, Scott Joplin, Duke Ellington, Jane Austen, Mary Shelley, Emily Brontë,
        George Eliot, Virginia Woolf, Leo Tolstoy, Anton Chekhov, Fyodor Dostoevsky, August Strindberg,
        Henrik Ibsen, Selma Lagerlöf, Astrid Lindgren, Miguel de Cervantes, Gabriela Mistral, Rabindranath
        Tagore, Murasaki Shikibu, Natsume Sōseki, Chinua Achebe, Naguib Mahfouz, Omar Khayyam, Friedrich
        Schiller, Heinrich Heine, Franz Kafka, Thomas Mann, Victor Hugo, Jules Verne, Émile Zola, Gustave
        Flaubert, Artemisia Gentileschi, Berthe Morisot, Frida Kahlo, Käthe Kollwitz, Albrecht Dürer, Edvard
        Munch, Wassily Kandinsky, Paul Klee, Amelia Earhart, Roald Amundsen, Fridtjof Nansen, Florence
        Nightingale, Maria Montessori, Harriet Tubman, Mark Twain
    """),
    places=listed("""
        Oslo, Bergen, Copenhagen, Stockholm, Uppsala, Helsinki, Tallinn, Riga, Vilnius, Warsaw, Kraków,
        Prague, Vienna, Salzburg, Budapest, Bucharest, Athens, Thessaloniki, Rome, Naples, Venice, Milan,
        Turin, Bologna, Genoa, Marseille, Lyon, Bordeaux, Lille, Brussels, Antwerp, Ghent, Amsterdam,
        Rotterdam, Utrecht, Hamburg, Munich, Leipzig, Dresden, Zürich, Geneva, Basel, Barcelona, Madrid,
        Seville, Lisbon, Dublin, Cork, Edinburgh, Glasgow, Cardiff, Belfast, Leeds, Cairo, Nairobi, Lagos,
        Accra, Dakar, Tunis, Marrakesh, Cape Town, Addis Ababa, Istanbul, Ankara, Beirut, Delhi, Mumbai,
        Kolkata, Chennai, Dhaka, Colombo, Kathmandu, Bangkok, Hanoi, Jakarta, Manila, Singapore, Beijing,
        Shanghai, Hong Kong, Seoul, Tokyo, Osaka, Kyoto, New York, Boston, Chicago, San Francisco, Los
        Angeles, Mexico City, Havana, Lima, Quito, Bogotá, Buenos Aires, Rio de Janeiro, Montevideo, Norway,
        Sweden, Finland, Poland, Hungary, Italy, Spain, France, Germany, Austria, Egypt, Kenya, Ghana,
        Morocco, India, Japan, Vietnam, Thailand, Canada, Peru, Bolivia
    """),
    organisations=listed("""
        University of Oslo, University of Vienna, University of Bologna, World Health Organization, World
        Meteorological Organization, United Nations, Red Cross, Ericsson, Volvo, Toyota, Honda, Sony,
        Nintendo, Samsung, Hyundai, Unilever, Nestlé, Novartis, Roche, Airbus, Lufthansa, Finnair, Air
        France, IKEA, Lego, Carlsberg, Maersk, Deutsche Bahn, IBM, Intel, Microsoft, NASA, CERN, UNESCO,
        UNICEF, European Space Agency, European Central Bank, Bank of England, Bank of Japan, British
        Museum, British Broadcasting Corporation, Vienna Philharmonic, Royal Society, Royal Opera, Swedish
        Academy, Max Planck Society, Doctors Without Borders, Amnesty International, Greenpeace, National
        Geographic Society, Smithsonian Institution, Massachusetts Institute of Technology, Institute of
        Physics, Yale University, Oxford University Press, Penguin Books, Reuters, Le Monde, Ajax, Juventus,
        Real Madrid, Celtic, Benfica, Louvre, Prado, Hermitage, Mozilla Foundation, Linux Foundation,
        Wikimedia Foundation, Nobel Foundation, Ministry of Culture, Marks and Spencer, Kyoto University
    """),
    ambiguous={
        "Lincoln": "PER LOC ORG",
        "Austin": "PER LOC ORG",
        "Hamilton": "PER LOC ORG",
        "Chelsea": "PER LOC ORG",
        "Cadbury": "PER LOC ORG",
        "Lancaster": "PER LOC ORG",
        "Washington": "PER LOC",
        "Houston": "PER LOC",
        "Paris": "PER LOC",
        "Sydney": "PER LOC",
        "Victoria": "PER LOC",
        "Darwin": "PER LOC",
        "Berlin": "PER LOC",
        "Wellington": "PER LOC",
        "Nelson": "PER LOC",
        "Adelaide": "PER LOC",
        "Florence": "PER LOC",
        "Sofia": "PER LOC",
        "Ford": "PER ORG",
        "Disney": "PER ORG",
        "Siemens": "PER ORG",
        "Daimler": "PER ORG",
        "Philips": "PER ORG",
        "Boeing": "PER ORG",
        "Renault": "PER ORG",
        "Nokia": "LOC ORG",
        "Liverpool": "LOC ORG",
        "Valencia": "LOC ORG",
        "Porto": "LOC ORG",
        "Amazon": "LOC ORG",
        "Wolfsburg": "LOC ORG",
    },
)

DEV = Names(
    people=listed("""
        Hans Christian Andersen, Nicolaus Copernicus, Christiaan Huygens, Sophie Germain, Évariste Galois,
        Robert Hooke, Humphry Davy, Beatrix Potter, Lewis Carroll, Walt Whitman, Herman Melville, Edith
        Wharton, Federico Lorca, Alfonsina Storni, Italo Calvino, Primo Levi, Nelly Sachs, Hannah Arendt,
        Gertrude Stein, Fanny Hensel, Bedřich Smetana, Zoltán Kodály, Aaron Copland, Andrei Markov, Pafnuty
        Chebyshev, Nikolai Lobachevsky, Rachel Carson, Jacques Cousteau
    """),
    places=listed("""
        Bratislava, Slovakia, Minsk, Kyiv, Ukraine, Odesa, Valletta, Malta, Cyprus, Nicosia, Toulouse,
        Nantes, Grenoble, Trondheim, Tromsø, Aarhus, Malmö, Gothenburg, Turku, Tampere, Nepal, Bhutan, Laos,
        Cambodia, Santo Domingo, Port Moresby, Abu Dhabi, Windhoek, Namibia
    """),
    organisations=listed("""
        Kodak, Xerox, Pirelli, Olivetti, Fiat, Zeiss, Leica, Adidas, Lindt, Barilla, Vestas, Rolex, Mattel,
        Hasbro, KLM, Galatasaray, Olympiacos, Uffizi, Teatro Colón, Rotary Club, Karolinska Hospital,
        Fraunhofer, Court of Justice, African Union, Arab League, Associated Newspapers
    """),
    ambiguous={
        "Bolton": "PER LOC ORG",
        "Everton": "PER LOC ORG",
        "Chester": "PER LOC",
        "Dallas": "PER LOC",
        "Kent": "PER LOC",
        "Lorraine": "PER LOC",
        "Cornell": "PER ORG",
        "Porsche": "PER ORG",
        "Monaco": "LOC ORG",
        "Vittel": "LOC ORG",
    },
)

TEST = Names(
    people=listed("""
        Ada Lovelace, Charles Babbage, Caroline Herschel, Wilhelm Röntgen, Dmitri Mendeleev, Blaise Pascal,
        René Descartes, Katherine Johnson, Inge Lehmann, Nettie Stevens, Oscar Wilde, Agatha Christie, Zora
        Hurston, Langston Hughes, Jorge Luis Borges, Pablo Neruda, Anna Akhmatova, Boris Pasternak, Wisława
        Szymborska, Karen Blixen, Sigrid Undset, Matsuo Bashō, Ichiyō Higuchi, Wolfgang Amadeus Mozart,
        Ethel Smyth, Amy Beach, Hector Berlioz, Giacomo Puccini, Sergei Prokofiev, Nadia Boulanger,
        Katsushika Hokusai, Gustav Klimt, Camille Pissarro, Rosa Bonheur, Wangari Maathai
    """),
    places=listed("""
        Reykjavik, Iceland, Ljubljana, Slovenia, Zagreb, Croatia, Sarajevo, Tbilisi, Yerevan, Tashkent,
        Samarkand, Ulaanbaatar, Mongolia, Brisbane, Melbourne, Hobart, Auckland, Fiji, Honolulu, Vancouver,
        Montreal, Toronto, Panama, Guatemala, Asunción, Paraguay, Kampala, Uganda, Lusaka, Zambia, Botswana,
        Kuala Lumpur, Phnom Penh, Saint Petersburg, Sierra Leone, Nova Scotia, Tierra del Fuego
    """),
    organisations=listed("""
        Panasonic, Mitsubishi, Hitachi, Fujitsu, Michelin, BASF, Danone, Heineken, Qantas, Lenovo, Infosys,
        Embraer, Spotify, Electrolux, ASEAN, Interpol, Fiorentina, Feyenoord, Bolshoi Theatre, La Scala,
        Académie Française, Library of Congress, Council of Europe, Federal Reserve, Oxfam, Habitat for
        Humanity, Cirque du Soleil, Tate Gallery, Guggenheim, Concertgebouw Orchestra, Mayo Clinic, Trinity
        College, Tsinghua, Rijksmuseum
    """),
    ambiguous={
        "Jordan": "PER LOC ORG",
        "Stanford": "PER LOC ORG",
        "Mercedes": "PER LOC ORG",
        "Sheffield": "PER LOC ORG",
        "Harvard": "PER LOC ORG",
        "London": "PER LOC",
        "Orlando": "PER LOC",
        "Santiago": "PER LOC",
        "Madison": "PER LOC",
        "Tesla": "PER ORG",
        "Ferrari": "PER ORG",
        "Evian": "LOC ORG",
        "Arsenal": "LOC ORG",
    },
)
